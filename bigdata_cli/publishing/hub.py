"""A dataset sent to a repository of Hugging Face: all of its files in one commit.

Files whose bytes are there are not sent again, so that the same command goes on where it was. The
commit says on which one it is based: of two that push at the same time, one is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.dataset.manifest_file import read_manifest
from bigdata_cli.errors import DataError, MissingDependencyError, SourceLostError, UsageError
from bigdata_cli.io.manifest_names import manifest_among
from bigdata_cli.io.remote.faults import as_os_error
from bigdata_cli.io.store import Store
from bigdata_cli.io.stores import open_store
from bigdata_cli.publishing.card import card_text, metadata, with_card
from bigdata_cli.publishing.options import PushOptions
from bigdata_cli.url import Url

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"
_MAX_FILES = 20_000
"""Of one commit."""
_FILES_AT_ONCE = 32


def push(
    store: Store,
    manifest: Manifest,
    names: Sequence[str],
    target: Url,
    options: PushOptions,
    *,
    has_bars: bool = False,
) -> str:
    """Send the files of a dataset; returns the address of the commit.

    has_bars: the library shows how far it is.

    Raises UsageError where the hub does not take them, SourceLostError where it cannot be reached.
    """
    if len(names) > _MAX_FILES:
        raise UsageError(
            f"{store} has {len(names):,} files, and a commit takes {_MAX_FILES:,}",
            hint=f"bigdata convert {store} --to parquet --shard-size 500MB -o OTHER",
        )
    hub = _import_hub()
    repository = repository_of(target)
    with _errors(target), nullcontext() if has_bars else _no_bars():
        api = hub.HfApi(library_name="bigdata")
        api.create_repo(repository, repo_type="dataset", private=options.private, exist_ok=True)
        based_on = api.dataset_info(repository).sha
        before = _Before(api, repository, based_on)
        card = _card(hub, before.text(CARD), manifest, repository, options)
        operations = [
            *(_addition(hub, store, name) for name in names),
            hub.CommitOperationAdd(CARD, card.encode()),
        ]
        sent = {*names, CARD}
        gone = [name for name in before.files() if name not in sent]
        for first in range(0, len(operations), _FILES_AT_ONCE):
            api.preupload_lfs_files(
                repository, operations[first : first + _FILES_AT_ONCE], repo_type="dataset"
            )
        done = api.create_commit(
            repository,
            [*(hub.CommitOperationDelete(name) for name in gone), *operations],
            commit_message=f"{manifest.rows:,} rows in {len(manifest.shards):,} files",
            repo_type="dataset",
            parent_commit=based_on,
        )
    return str(done.commit_url)


def repository_of(target: Url) -> str:
    """USER/NAME of an address; raises UsageError."""
    parts = target.address.partition("://")[2].rstrip("/").split("/")
    if len(parts) != 3 or parts[0] != "datasets" or not all(parts):
        raise UsageError(f"{target} is no repository of datasets", hint="hf://datasets/USER/NAME")
    return f"{parts[1]}/{parts[2]}"


def _import_hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingDependencyError.for_extra("huggingface_hub", "hf", purpose="hf://") from error
    return huggingface_hub


def _addition(hub: Any, store: Store, name: str) -> Any:
    """A file of the dataset, where it is: its bytes are read when they are sent."""
    path = store.local_path(name)
    if path is None and isinstance(place := store.where(name), str) and Path(place).is_file():
        path = Path(place)
    source: Any = str(path) if path is not None else BufferedReader(cast("Any", store.open(name)))
    return hub.CommitOperationAdd(name, source)


class _Before:
    """What is in the repository before, as of a commit."""

    def __init__(self, api: HfApi, repository: str, revision: str | None) -> None:
        self._api = api
        self._repository = repository
        self._revision = revision
        self._listed: set[str] | None = None

    def text(self, name: str) -> str:
        """The text of a file; nothing where it is not there."""
        if name not in self._names():
            return ""
        return self._fetched(name).read_text(encoding="utf-8")

    def files(self) -> list[str]:
        """The files of the dataset that was pushed before."""
        there = self._names()
        name = manifest_among(there)
        if name is None:
            return []
        try:
            manifest = read_manifest(open_store(self._fetched(name).parent), name)
        except (DataError, UsageError):
            return []  # of another program: its files stay
        names = [file for shard in manifest.shards for file in shard.file_names]
        names += [name, *(file.name for file in manifest.sidecars)]
        return [one for one in names if one in there]

    def _names(self) -> set[str]:
        """The files that are there."""
        if self._listed is None:
            listed = self._api.list_repo_files(
                self._repository, repo_type="dataset", revision=self._revision
            )
            self._listed = set(listed)
        return self._listed

    def _fetched(self, name: str) -> Path:
        """A file, on this machine."""
        path: str = self._api.hf_hub_download(
            self._repository, name, repo_type="dataset", revision=self._revision
        )
        return Path(path)


def _card(hub: Any, before: str, manifest: Manifest, repository: str, options: PushOptions) -> str:
    """The card that is there, with what follows from the dataset in its place."""
    card = hub.DatasetCard(before or "---\n{}\n---\n", ignore_metadata_errors=False)
    for key, value in metadata(manifest).items():
        setattr(card.data, key, value)
    if options.license is not None:
        card.data.license = options.license
    card.text = with_card(card.text, card_text(manifest, repository), manifest.name)
    return str(card)


@contextmanager
def _no_bars() -> Iterator[None]:
    """While it lasts, the library shows no bars."""
    from huggingface_hub import utils

    had_none = utils.are_progress_bars_disabled()
    utils.disable_progress_bars()
    try:
        yield
    finally:
        if not had_none:
            utils.enable_progress_bars()


@contextmanager
def _errors(target: Url) -> Iterator[None]:
    """What the hub answers, as errors that say what to do."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as raised:
        status = getattr(raised.response, "status_code", 0)
        if status in (401, 403):
            raise UsageError(
                f"{target}: the hub does not allow it ({status})",
                hint="HF_TOKEN, or hf auth login, with the right to write there",
            ) from None
        if status in (409, 412):
            raise UsageError(
                f"{target}: somebody else has changed it meanwhile", hint="push again"
            ) from None
        if status in (400, 422):
            said = getattr(raised, "server_message", None) or f"it answers {status}"
            raise UsageError(f"{target}: the hub does not take it: {said}") from None
        raise _lost(target, raised) from None
    except (ValueError, OSError) as raised:
        if type(raised).__module__.startswith("huggingface_hub"):
            raise UsageError(f"{target}: {str(raised).splitlines()[0]}") from None
        if isinstance(raised, OSError):
            raise _lost(target, raised) from None
        raise DataError(f"{target}: {raised}") from raised


def _lost(target: Url, raised: BaseException) -> SourceLostError:
    return SourceLostError(
        f"{target}: {as_os_error(raised, target).strerror}",
        hint="the same command goes on with the files that are there",
    )
