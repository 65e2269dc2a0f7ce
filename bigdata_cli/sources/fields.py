"""Single fields, classified from Python."""

from __future__ import annotations

import numpy as np

from bigdata_cli.schema.lattice import Form
from bigdata_cli.sources.classify import classify
from bigdata_cli.sources.dialect import Dialect
from bigdata_cli.sources.number import scratch_bytes
from bigdata_cli.sources.rules import compile_rules


def is_text_field(text: str, dialect: Dialect | None = None) -> bool:
    """Whether a field is neither null nor a number, bool, date or timestamp."""
    dialect = dialect or Dialect(delimiter=",")
    rules = compile_rules(dialect)
    trimmed = text.strip(" \t")
    if trimmed in dialect.null_tokens:
        return False
    encoded = np.frombuffer(trimmed.encode("utf-8", "replace") + bytes(16), np.uint8)
    forms, _negative, _magnitude = classify(encoded, 0, len(encoded) - 16, rules, scratch_bytes())
    return bool(forms & Form.TEXT)
