"""The models that `train` trains: networks of Keras, and boosted trees."""

from __future__ import annotations

from bigdata_cli.dataset import Dataset
from bigdata_cli.training.folds import Fold
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.training import Training


def training_of(
    dataset: Dataset,
    options: TrainOptions,
    *,
    is_member: bool = False,
    fold: Fold | None = None,
) -> Training:
    """Return the training of the model that the options name.

    Raises:
        UsageError: The options do not fit the dataset.
    """
    if options.is_trees:
        from bigdata_cli.training.trees import TreeTraining

        return TreeTraining(dataset, options, is_member=is_member, fold=fold)
    return Training(dataset, options, is_member=is_member, fold=fold)
