"""What a step computes of the columns that it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

    from bigdata_cli.transforms.rows_of_columns import Rows

PLACE = "\0place"
"""In place of a column: where in the source the record of a row starts, int64."""
REPEATED = "\0repeated"
"""In place of a column: whether the row repeats another one, by a pass over all of them, bool."""
OF_ROWS = {PLACE: "int64", REPEATED: "bool"}
"""What is known of rows beside their columns, with the dtypes."""


class Computed(NamedTuple):
    """A column that a step makes, or the truth of its filter.

    Attributes:
        option: Of the step, as errors name it.
        dtype: Of the values: their kind, and not their width.
        compute: The values for some rows; raises pa.ArrowInvalid where there is none.
    """

    option: str
    dtype: str
    compute: Callable[[Rows], pa.Array]
