"""The feature spec of `tf.train.Example` records, as Python that needs TensorFlow alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

MAX_SHOWN_FEATURES = 24
"""Of more, the spec is asked for by name and not written out."""


def spec_text(spec: Mapping[str, Mapping[str, Any]]) -> str:
    """A feature spec as the Python that makes it: what `tf.io.parse_example` takes.

    >>> entry = {"type": "float", "shape": [], "default": float("nan"), "columns": ["fare"]}
    >>> print(spec_text({"fare": entry}))
    {
        "fare": tf.io.FixedLenFeature([], tf.float32, float("nan")),
    }
    """
    types = {"int64": "tf.int64", "float": "tf.float32", "bytes": "tf.string"}
    lines = []
    for name, entry in spec.items():
        kind = types[entry["type"]]
        if entry["shape"] == "ragged":
            made = f"tf.io.VarLenFeature({kind})"
        else:
            default = entry["default"]
            last = "" if default is None else f", {_literal(default)}"
            made = f"tf.io.FixedLenFeature({entry['shape']}, {kind}{last})"
        lines.append(f"    {json.dumps(name, ensure_ascii=False)}: {made},\n")
    return "{\n" + "".join(lines) + "}"


def _literal(default: Any) -> str:
    is_nan = isinstance(default, float) and math.isnan(default)
    return 'float("nan")' if is_nan else repr(default)
