"""Single fields, classified from Python."""

from __future__ import annotations

import numpy as np

from bigdata_cli.schema.lattice import Form
from bigdata_cli.sources.classify import classify
from bigdata_cli.sources.dialect import NULL_TOKENS


def is_text_field(text: str) -> bool:
    """Whether a field is neither null nor a number, bool, date or timestamp."""
    trimmed = text.strip(" \t")
    if trimmed in NULL_TOKENS:
        return False
    encoded = np.frombuffer(trimmed.encode("utf-8", "replace") + bytes(16), np.uint8)
    forms, _negative, _magnitude = classify(encoded, 0, len(encoded) - 16)
    return bool(forms & Form.TEXT)
