"""A dataset that `bigdata convert` wrote: its manifest, and its rows."""

from bigdata_cli.dataset.dataset import Dataset, open_dataset
from bigdata_cli.dataset.folder import dataset_folder
from bigdata_cli.dataset.mixture import Mixture, mix

__all__ = ["Dataset", "Mixture", "dataset_folder", "mix", "open_dataset"]
