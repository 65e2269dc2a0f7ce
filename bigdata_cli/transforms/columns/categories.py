"""Texts that are none of the values of a column, which become nulls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep


class Categories(ColumnStep, frozen=True, kw_only=True):
    """Keeps the values of a column whose text is among `values`; others become null, and count."""

    option: ClassVar[str] = "--like"
    counts_unknown: ClassVar[bool] = True
    values: tuple[str, ...]

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        import pyarrow as pa
        import pyarrow.compute as pc

        from bigdata_cli.types.buffers import scalar_of

        known = frozenset(self.values)
        dtype = types[self.column]

        def compute(rows: Rows) -> pa.Array:
            array = rows.column(self.column)
            texts = pc.cast(array, pa.string()).dictionary_encode()
            strange = [text not in known for text in texts.dictionary.to_pylist()]
            if not any(strange):
                return array
            is_strange = pa.array(strange, pa.bool_()).take(texts.indices)
            return pc.if_else(is_strange.fill_null(False), scalar_of(None, array.type), array)

        return (Computed(self.option, dtype, compute),)
