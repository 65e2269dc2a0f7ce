"""The functions that expressions may call, by name: the documented list, and all there are."""

from __future__ import annotations

from bigdata_cli.transforms.expressions.date_functions import DATE_FUNCTIONS
from bigdata_cli.transforms.expressions.function import Function
from bigdata_cli.transforms.expressions.number_functions import NUMBER_FUNCTIONS, VALUE_FUNCTIONS
from bigdata_cli.transforms.expressions.text_functions import TEXT_FUNCTIONS

GROUPS: dict[str, dict[str, Function]] = {
    "numbers": NUMBER_FUNCTIONS,
    "text": TEXT_FUNCTIONS,
    "dates and timestamps": DATE_FUNCTIONS,
    "values": VALUE_FUNCTIONS,
}
FUNCTIONS = {name: function for group in GROUPS.values() for name, function in group.items()}
SYNONYMS = {
    "ceiling": "ceil",
    "power": "pow",
    "substr": "substring",
    "len": "length",
    "char_length": "length",
    "prefix": "starts_with",
    "suffix": "ends_with",
    "instr": "strpos",
    "datediff": "date_diff",
    "datetrunc": "date_trunc",
    "weekofyear": "week",
    "dow": "dayofweek",
    "doy": "dayofyear",
    "is_nan": "isnan",
}
"""Other names that databases have for the same."""
