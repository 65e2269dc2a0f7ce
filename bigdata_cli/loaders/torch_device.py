"""Batches on a device: they travel as they are stored, and are cast and normalised there.

While a batch is in use the next one is on its way, from one of two pinned buffers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch.utils.data import IterableDataset, get_worker_info

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.feature_arrays import MAX_DEVIATIONS
from bigdata_cli.loaders.narrow import NarrowForm
from bigdata_cli.loaders.torch_buffers import each


def known_device(name: Any) -> torch.device:
    """Return a device of torch.

    Raises:
        UsageError: There is no such device.
    """
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"device is {name!r}; torch knows no such device", hint='device="cuda", or "cuda:1"'
        ) from error
    n_devices = {"cpu": 1, "cuda": torch.cuda.device_count()}
    if torch.backends.mps.is_available():
        n_devices["mps"] = 1
    n_found = n_devices.get(device.type, 0)
    if (device.index or 0) >= n_found:
        found = f"{n_found} such devices" if n_found else "no such device"
        raise UsageError(
            f'device is "{device}", and torch finds {found} here',
            hint='device="cpu", or without device; a GPU needs a build of torch for it',
        )
    return device


class DeviceForm:
    """Makes X and y of the arrays of a `NarrowEncoder`, on a device."""

    def __init__(self, form: NarrowForm, device: torch.device, *, is_padded: bool) -> None:
        self._form = form
        self._is_padded = is_padded
        # Apple's devices have no float64.
        self._exact = torch.float32 if device.type == "mps" else torch.float64
        self._x_dtype = getattr(torch, form.x_dtype)
        self._y_dtype = getattr(torch, form.y_dtype)
        self._order = torch.tensor(form.order, dtype=torch.int64, device=device)
        self._masked = torch.tensor(form.masked, dtype=torch.int64, device=device)
        if form.features is not None:
            numbers = form.features.numbers
            centers = [feature.center for feature in numbers]
            scales = [feature.scale for feature in numbers]
            nulls = [place for place, feature in enumerate(numbers) if feature.has_nulls]
            self._centers = torch.tensor(centers, dtype=self._exact, device=device)
            self._scales = torch.tensor(scales, dtype=self._exact, device=device)
            self._has_nulls = torch.tensor(nulls, dtype=torch.int64, device=device)

    def __call__(self, arrays: tuple[torch.Tensor, ...]) -> Any:
        valid = None
        if self._is_padded:
            *arrays, valid = arrays  # type: ignore[assignment]
        *blocks, masks, y = arrays
        dtype = self._x_dtype if self._form.features is None else self._exact
        values = torch.cat([block.to(dtype) for block in blocks], dim=-1)
        values = values.index_select(-1, self._order)
        if len(self._masked):
            known = values.index_select(-1, self._masked)
            known = torch.where(masks, known, torch.nan)
            values = values.index_copy(-1, self._masked, known)
        X = values if self._form.features is None else self._normalised(values)
        if valid is not None:
            X = each(X, lambda part: torch.where(valid[..., None], part, 0))
        found = (X, y.to(self._y_dtype))
        return found if valid is None else (*found, valid)

    def _normalised(self, values: torch.Tensor) -> Any:
        """Return what `NormalizedEncoder` makes of the same rows."""
        features = self._form.features
        assert features is not None
        n_numbers = len(features.numbers)
        numbers = values[..., :n_numbers]
        is_null = numbers.isnan()
        normal = ((numbers - self._centers) / self._scales).clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)
        normal = torch.where(is_null, 0.0, normal)
        parts = [normal.float(), is_null.index_select(-1, self._has_nulls).float()]
        embedded = []
        for place, feature in enumerate(features.codes):
            codes = torch.nan_to_num(values[..., n_numbers + place], nan=-1.0)
            if feature.is_embedded:
                embedded.append(codes.to(torch.int32) + 1)
            else:
                every = torch.arange(feature.n_values, device=values.device)
                parts.append((codes[..., None] == every).float())
        X = torch.cat(parts, dim=-1)
        return (X, torch.stack(embedded, dim=-1)) if embedded else X


class HostBatches(Protocol):
    """Batches in the memory of this process, with states: `TorchBatches`, or a `BatchLoader`."""

    def __iter__(self) -> Iterator[Any]: ...
    def set_epoch(self, epoch: int) -> None: ...
    def batches_in(self, epoch: int) -> int: ...
    def state_dict(self, *, batches: int | None = None) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...
    def loader(
        self, num_workers: int, *, multiprocessing_context: str | None = None
    ) -> HostBatches: ...


class DeviceBatches(IterableDataset):
    """Whole batches on a device; states and epochs as those of `TorchBatches`.

    Workers are those of `loader`: this process brings to the device what they read.
    """

    def __init__(
        self, batches: HostBatches, device: torch.device, form: DeviceForm | None = None
    ) -> None:
        super().__init__()
        self._batches = batches
        self._device = device
        self._form = form
        self._n_taken = 0
        self._begun: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        if get_worker_info() is not None:
            raise UsageError(
                f"batches on {self._device} are made in the process that takes them",
                hint="to_torch(…, device=…).loader(num_workers=2) has workers that read",
            )
        running = iter(self._batches)
        self._begun = self._batches.state_dict()
        self._n_taken = 0
        return self._moved(running)

    def loader(
        self, num_workers: int, *, multiprocessing_context: str | None = None
    ) -> DeviceBatches:
        """Return these batches, read by workers; see `TorchBatches.loader`."""
        batches = self._batches.loader(num_workers, multiprocessing_context=multiprocessing_context)
        return DeviceBatches(batches, self._device, self._form)

    def _moved(self, running: Iterator[Any]) -> Iterator[Any]:
        transfer = _Transfer(self._device)
        ahead = None
        for batch in running:
            sent = transfer.send(batch)
            if ahead is not None:
                self._n_taken += 1
                yield self._formed(transfer.received(ahead))
            ahead = sent
        if ahead is not None:
            self._n_taken += 1
            yield self._formed(transfer.received(ahead))
        self._end()

    def _formed(self, batch: Any) -> Any:
        return batch if self._form is None else self._form(batch)

    def _end(self) -> None:
        self._begun = None
        self._n_taken = 0

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch, from its start."""
        self._end()
        self._batches.set_epoch(epoch)

    def batches_in(self, epoch: int) -> int:
        """Return the number of batches of an epoch."""
        return self._batches.batches_in(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the iteration that started last, as JSON values."""
        if self._begun is None:
            return self._batches.state_dict()
        if self._n_taken == 0:
            return self._begun
        return self._batches.state_dict(batches=self._n_taken)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration continue at a state; see `TorchBatches.load_state_dict`."""
        self._end()
        self._batches.load_state_dict(state)


class _Transfer:
    """Brings batches to a device, of which one may be on its way while another is in use."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._pinned: list[dict[int, torch.Tensor]] = [{}, {}]
        self._done: list[Any] = [None, None]
        self._turn = 0

    def send(self, batch: Any) -> tuple[Any, Any]:
        """Return a batch that is on its way, and what tells that it has arrived."""
        if self._stream is None:
            return each(batch, self._plain), None
        turn, self._turn = self._turn, 1 - self._turn
        if self._done[turn] is not None:
            self._done[turn].synchronize()  # its pinned memory is used again
        places = iter(range(1_000_000))
        with torch.cuda.stream(self._stream):
            sent = each(batch, lambda one: self._from_pinned(one, self._pinned[turn], next(places)))
            self._done[turn] = torch.cuda.Event()
            self._done[turn].record(self._stream)
        return sent, self._done[turn]

    def received(self, sent: tuple[Any, Any]) -> Any:
        """Return a batch for the stream that computes now."""
        batch, done = sent
        if done is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(done)
            each(batch, lambda one: one.record_stream(current) if _is_tensor(one) else None)
        return batch

    def _plain(self, one: Any) -> Any:
        return one.to(self._device) if _is_tensor(one) else one

    def _from_pinned(self, one: Any, pinned: dict[int, torch.Tensor], place: int) -> Any:
        if not _is_tensor(one):
            return one
        n_bytes = one.numel() * one.itemsize
        held = pinned.get(place)
        if held is None or held.numel() < n_bytes:
            held = pinned[place] = torch.empty(n_bytes, dtype=torch.uint8, pin_memory=True)
        staged = held[:n_bytes].view(one.dtype).view(one.shape)
        staged.copy_(one)
        return staged.to(self._device, non_blocking=True)


def _is_tensor(one: Any) -> bool:
    return isinstance(one, torch.Tensor)
