"""States: positions of streams as JSON values, and the digests that say what they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.elastic import Position, Readers

STATE_VERSION = 3
_NUMBERS = ("epoch", "batches", "rows", "world", "workers", "batch_size")
_STATE_FIELDS = ("version", "seed", *_NUMBERS, "data", "fingerprint")


@dataclass(frozen=True)
class SavedPosition:
    """What a state says: whose order it is a position in, and the position."""

    order: Readers
    epoch: int
    position: Position


def check_batches(epoch: int, batches: int, n_batches: int) -> None:
    """Raise UsageError where an epoch has fewer batches."""
    if not 0 <= batches <= n_batches:
        raise UsageError(f"epoch {epoch} has {n_batches:,} batches, and not {batches:,}")


def digest(value: Any) -> str:
    """Return a digest of JSON values."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_state(state: Any) -> None:
    """Raise UsageError for what `state_dict` cannot have given."""
    if not isinstance(state, Mapping) or "version" not in state:
        raise UsageError(f"a state has {', '.join(_STATE_FIELDS)}: it is what state_dict() gave")
    if state["version"] != STATE_VERSION:
        raise UsageError(f"the state has version {state['version']!r}, and not {STATE_VERSION}")
    missing = [name for name in _STATE_FIELDS if name not in state]
    if missing:
        raise UsageError(f'the state has no "{missing[0]}": it is not what state_dict() gave')
    for name in _NUMBERS:
        if type(state[name]) is not int or state[name] < (name in ("world", "batch_size")):
            raise UsageError(f'"{name}" of the state is {state[name]!r}, and not such a number')
