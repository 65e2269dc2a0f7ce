"""All selections of rows that follow from a pass over the source."""

from __future__ import annotations

from bigdata_cli.transforms.selections.dedup import Dedup
from bigdata_cli.transforms.selections.limit import Limit
from bigdata_cli.transforms.selections.sample_rows import Balance, SampleRows, Stratify

AnySelection = Dedup | Balance | SampleRows | Stratify | Limit
