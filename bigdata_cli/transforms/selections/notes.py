"""What a user should know of the selections of rows that were done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bigdata_cli.transforms.options import ShapeOptions
from bigdata_cli.transforms.sample_option import sample_rows


def selection_notes(
    transforms: Sequence[Mapping[str, Any]], options: ShapeOptions
) -> Iterator[str]:
    """How many rows selections have left out or kept, where there are fewer than asked for, and how
    many nulls were filled forward.

    Args:
        transforms: As a manifest has them.
        options: What was asked for.
    """
    asked = {"sample-rows": sample_rows(options.sample), "limit": options.limit}
    for step in transforms:
        kind = step["step"]
        if kind == "dedup":
            which = "before" if step["keep"] == "first" else "after"
            yield (
                f"--dedup: {_rows(step['repeated'])} left out that "
                f"repeat one {which} in {', '.join(step['columns'])}"
            )
        elif kind == "fill-forward":
            yield (
                f"--fill {step['column']}=ffill: {_nulls(step['filled'])} filled"
                + (f"; {_nulls(step['leading'])} before the first value" if step["leading"] else "")
            )
        elif kind == "balance" and step["classes"]:
            n_rows = step["classes"][0]["rows"]
            yield f"--balance: {_rows(n_rows)} of each of {len(step['classes']):,} classes"
        elif (wanted := asked.get(kind)) is not None and step["rows"] < wanted:
            option = "--limit" if kind == "limit" else "--sample"
            yield f"{option}: {_rows(step['rows'])}, and no more, were left to take"


def _nulls(n: int) -> str:
    return f"{n:,} null{'s' * (n != 1)}"


def _rows(n: int) -> str:
    return f"{n:,} row{'s' * (n != 1)}"
