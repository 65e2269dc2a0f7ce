"""The files of a dataset as `pyarrow.dataset` reads them."""

from __future__ import annotations

from typing import Any

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.registry import all_traits
from bigdata_cli.loaders.base import ReadableDataset


def arrow_dataset(dataset: ReadableDataset) -> Any:
    """See `Dataset.to_arrow_dataset`."""
    from pyarrow.dataset import dataset as open_files

    name = dataset.format.traits.arrow_name
    if name is None:
        known = [traits.name for traits in all_traits() if traits.arrow_name is not None]
        raise UsageError(
            f"{dataset.path} is {dataset.manifest.format}, and pyarrow.dataset reads "
            f"{' and '.join(known)}",
            hint=f"bigdata convert {dataset.path} --to {known[0]}; or read(), which gives batches",
        )
    return open_files(file_paths(dataset), schema=dataset.schema.arrow(), format=name)


def file_paths(dataset: ReadableDataset) -> list[str]:
    """Return the files of the shards with rows, in order.

    Raises VerificationError where one is missing or has another size.
    """
    paths = []
    for index, shard in enumerate(dataset.shards):
        dataset.check_files(index)
        if shard.rows:
            paths += [str(dataset.path / name) for name in shard.file_names]
    return paths
