"""Samples: the same rows however they come, the share in each class, every row as likely."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.errors import UsageError
from bigdata_cli.training.sampling import RowSample
from tests.examples import examples


@given(st.floats(1e-4, 1.0), st.integers(0, 10), st.integers(1, 4), st.data(), st.booleans())
@examples(150)
def test_the_rows_do_not_depend_on_how_they_come(
    share: float, seed: int, n_classes: int, data, stratify: bool
) -> None:
    n_rows = data.draw(st.integers(1, 400))
    classes = np.random.default_rng(seed).integers(0, n_classes, n_rows)
    sample = RowSample(share=share, seed=seed, stratify=stratify)
    whole = sample.of_shard(3, n_classes=n_classes).choose(classes)
    cuts = sorted(data.draw(st.lists(st.integers(0, n_rows), max_size=6)))
    chooser = sample.of_shard(3, n_classes=n_classes)
    parts = [chooser.choose(piece) for piece in np.split(classes, cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@given(st.floats(1e-4, 1.0), st.integers(0, 1000), st.integers(0, 5000))
@examples(300)
def test_the_share_holds_in_each_class_to_within_one_row(
    share: float, seed: int, n_rows: int
) -> None:
    classes = (np.arange(n_rows) % 7 == 2).astype(np.int16)
    chosen = (
        RowSample(share=share, seed=seed, stratify=True).of_shard(1, n_classes=2).choose(classes)
    )
    for value in (0, 1):
        of_class = classes == value
        assert abs(chosen[of_class].sum() - share * of_class.sum()) < 1 + 1e-6


@pytest.mark.parametrize("share", [0.05, 1 / 3, 0.37, 0.5, 0.51, 0.8])
def test_every_row_is_as_likely_as_any_other(share: float) -> None:
    n_seeds, n_rows = 4000, 97
    classes = np.zeros(n_rows, np.int16)
    counts = np.zeros(n_rows)
    for seed in range(n_seeds):
        counts += (
            RowSample(share=share, seed=seed, stratify=True)
            .of_shard(0, n_classes=1)
            .choose(classes)
        )
    # A row on the border of two strata is taken a little less often, and the one after it more.
    border = min(share, 1 - share) ** 2 / 4
    assert np.abs(counts / n_seeds - share).max() < border + 0.03


def test_other_seeds_shards_and_classes_give_other_rows() -> None:
    n_rows, share = 20_000, 0.05
    zeros = np.zeros(n_rows, np.int16)
    base = RowSample(share=share, seed=1, stratify=True).of_shard(0, n_classes=2).choose(zeros)
    others = [
        RowSample(share=share, seed=2, stratify=True).of_shard(0, n_classes=2).choose(zeros),
        RowSample(share=share, seed=1, stratify=True).of_shard(1, n_classes=2).choose(zeros),
        RowSample(share=share, seed=1, stratify=True).of_shard(0, n_classes=2).choose(zeros + 1),
    ]
    for other in others:
        # Independent samples have share² of the rows in common.
        assert (base & other).sum() == pytest.approx(n_rows * share**2, abs=30)


def test_no_period_in_the_data_coincides_with_the_choice() -> None:
    index = np.arange(100_000)
    chosen = RowSample(share=0.05).of_shard(0, n_classes=1).choose(np.zeros(len(index), np.int16))
    for period in (2, 5, 10, 20):
        counts = np.bincount(index[chosen] % period, minlength=period)
        assert counts.min() > 0.7 * chosen.sum() / period


def test_without_strata_the_classes_do_not_matter() -> None:
    sample = RowSample(share=0.1, seed=4, stratify=False)
    a = sample.of_shard(0, n_classes=2).choose(np.zeros(1000, np.int16))
    b = sample.of_shard(0, n_classes=2).choose(np.arange(1000) % 2)
    np.testing.assert_array_equal(a, b)


def test_all_rows_are_a_sample_too() -> None:
    assert RowSample(share=1, stratify=True).of_shard(0, n_classes=2).choose(np.arange(9) % 2).all()


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan"), "5%"])
def test_a_share_is_a_share(share) -> None:
    with pytest.raises(UsageError, match="a sample of"):
        RowSample(share=share)
