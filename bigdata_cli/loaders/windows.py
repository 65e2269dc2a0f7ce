"""Windows: as many rows as memory allows, collected from chunks and put in a random order."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from bigdata_cli.loaders.base import Encoder


def fill_windows(
    chunks: Generator[list[np.ndarray]],
    encoder: Encoder,
    *,
    window_rows: int,
    order: Callable[[int, int], np.ndarray | None],
    n_rows: int | None = None,
) -> Generator[list[np.ndarray]]:
    """Yield the rows of chunks in windows, of which only the last has less than `window_rows`.

    Args:
        chunks: The encoder's arrays of some rows each; closed at the end.
        encoder: What the chunks are made with.
        window_rows: The rows of a window.
        order: Called with the rows of a window and its number, from 0; returns the place of each
            row, int64 (rows,), or None for the order in which they come.
        n_rows: The rows of all chunks, None where that is not known.
    """
    window = 0
    pending: list[np.ndarray] = []
    try:
        while n_rows is None or n_rows > 0:
            size = window_rows if n_rows is None else min(n_rows, window_rows)
            arrays = encoder.empty(size)
            places = order(size, window)
            n_filled = 0
            while n_filled < size:
                chunk = pending or next(chunks, [])
                if not chunk:
                    break
                n_taken = min(len(chunk[0]), size - n_filled)
                target = slice(n_filled, n_filled + n_taken)
                for array, values in zip(arrays, chunk, strict=True):
                    _put(array, target if places is None else places[target], values[:n_taken])
                pending = [values[n_taken:] for values in chunk] if n_taken < len(chunk[0]) else []
                n_filled += n_taken
            if n_filled < size:
                if n_filled:
                    used = slice(n_filled) if places is None else np.sort(places[:n_filled])
                    yield [array[used] for array in arrays]
                return
            yield arrays
            del arrays
            n_rows = None if n_rows is None else n_rows - size
            window += 1
    finally:
        chunks.close()


def _put(array: np.ndarray, where: slice | np.ndarray, values: np.ndarray) -> None:
    """Write rows to places of an array; wide ones as one item each, three times as fast."""
    n_bytes = array[:1].nbytes
    if isinstance(where, slice) or array.ndim == 1 or n_bytes == 0 or array.dtype.hasobject:
        array[where] = values
        return
    item = np.dtype((np.void, n_bytes))
    rows = np.ascontiguousarray(values, array.dtype).reshape(len(values), -1).view(item)[:, 0]
    array.reshape(len(array), -1).view(item)[:, 0][where] = rows
