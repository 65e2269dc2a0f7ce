"""Some conversions with options drawn at random; `make soak-random` draws others for hours."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.random_options.case import Case
from tests.random_options.reference import DifferenceError


@pytest.mark.parametrize("number", range(16))
def test_the_dataset_is_that_of_the_reference(number: int, tmp_path: Path) -> None:
    Case.drawn(random.Random(number)).check(tmp_path)


def test_a_difference_is_found(tmp_path: Path) -> None:
    case = Case.drawn(random.Random(0))
    case.rows[5]["count"] = 1_000 + (case.rows[5]["count"] or 0)
    with pytest.raises(DifferenceError):
        case.check(tmp_path)
