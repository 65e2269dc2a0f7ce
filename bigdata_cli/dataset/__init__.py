"""A dataset that `bigdata convert` wrote: its manifest, and its rows."""

from bigdata_cli.dataset.dataset import Dataset, open_dataset
from bigdata_cli.dataset.folder import dataset_folder

__all__ = ["Dataset", "dataset_folder", "open_dataset"]
