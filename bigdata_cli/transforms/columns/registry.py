"""All steps on single columns."""

from __future__ import annotations

from bigdata_cli.transforms.columns.bin import Bin
from bigdata_cli.transforms.columns.categories import Categories
from bigdata_cli.transforms.columns.clip import Clip
from bigdata_cli.transforms.columns.fill import Fill
from bigdata_cli.transforms.columns.fill_forward import FillForward
from bigdata_cli.transforms.columns.flag_null import FlagNull
from bigdata_cli.transforms.columns.hash_buckets import Hash
from bigdata_cli.transforms.columns.log1p import Log1p
from bigdata_cli.transforms.columns.one_hot import OneHot
from bigdata_cli.transforms.columns.scale import Minmax, Standardize

AnyColumnStep = (
    FlagNull
    | Fill
    | FillForward
    | Clip
    | Log1p
    | Bin
    | Standardize
    | Minmax
    | Categories
    | OneHot
    | Hash
)
