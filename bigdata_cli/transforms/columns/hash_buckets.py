"""Values of many kinds as a number of buckets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep


class Hash(ColumnStep, frozen=True, kw_only=True):
    """Makes each value the xxHash64 (seed 0) of its text as UTF-8, modulo the buckets."""

    option: ClassVar[str] = "--hash"
    buckets: Annotated[int, Meta(ge=2, le=2**31)]

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        import numpy as np
        import pyarrow as pa
        import xxhash

        from bigdata_cli.types.buffers import array_of

        def compute(rows: Rows) -> pa.Array:
            array = rows.arrays[self.column]
            if not pa.types.is_dictionary(array.type):
                array = rows.column(self.column).cast(pa.string()).dictionary_encode()
            texts = array.dictionary.to_pylist()
            buckets = [xxhash.xxh64_intdigest(text.encode()) % self.buckets for text in texts]
            return array_of(np.array(buckets, np.int64)).take(array.indices)

        return (Computed(self.option, "int64", compute),)
