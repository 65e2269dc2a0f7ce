"""What was measured of each comparison: ratios and amounts, from `results.json`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Json = dict[str, Any]
OTHER_FILES = {"gzip": "transactions, gzip"}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measure of a comparison; low and high: the least and the greatest of one turn.

    value is None where a command could not be run; reason says why.
    """

    section: str
    group: str
    work: str
    file: str
    size: int | str
    against: str
    measure: str
    at_least: float | None = None
    at_most: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether it is as was asked; None where nothing was, or nothing was measured."""
        if self.value is None or (self.at_least is None and self.at_most is None):
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


def figures(results: Json) -> list[Figure]:
    """All measures of all comparisons."""
    return [
        _figure(group, comparison, measure)
        for group in results["groups"]
        for comparison in group["comparisons"]
        for measure in comparison["measures"]
    ]


def _figure(group: Json, comparison: Json, measure: str) -> Figure:
    commands = {command["label"]: command for command in group["commands"]}
    ours, theirs = commands.get(comparison["ours"]), commands.get(comparison["theirs"])
    targets = [target for target in comparison["targets"] if target["measure"] == measure]
    size = group["size"]
    if group["section"].startswith("Memory and") and ours is not None:
        size = ours["source_bytes"]
    common: Json = {
        "section": group["section"], "group": group["name"], "work": comparison["work"],
        "file": OTHER_FILES.get(group["kind"], group["kind"]), "size": size,
        "against": comparison["theirs"] or "", "measure": measure,
        "at_least": targets[0]["at_least"] if targets else None,
        "at_most": targets[0]["at_most"] if targets else None,
    }  # fmt: skip
    labels = [label for label in (comparison["ours"], comparison["theirs"]) if label]
    reasons = [group["missing"][label] for label in labels if label in group["missing"]]
    if reasons or ours is None:
        return Figure(**common, reason="; ".join(dict.fromkeys(reasons)))
    turns = [
        _value(measure, _turn(ours, index), None if theirs is None else _turn(theirs, index))
        for index in range(min(len(c["seconds"]) for c in (ours, theirs) if c is not None))
    ]
    return Figure(
        **common, value=_value(measure, ours, theirs), low=min(turns), high=max(turns)
    )  # fmt: skip


def _turn(command: Json, index: int) -> Json:
    """A command with what was measured of it in one turn."""
    lists = {name: [values[index]] for name, values in command.items() if isinstance(values, list)}
    return {**command, **lists}


def _value(measure: str, ours: Json, theirs: Json | None) -> float:
    if measure == "GB/s":
        return ours["source_bytes"] / median(ours["work_cpu_seconds"]) / 1e9
    if measure == "seconds":
        return median(ours["seconds"])
    if measure == "peak bytes":
        return median(ours["peak_rss_bytes"])
    assert theirs is not None
    if measure == "bytes":
        return ours["output_bytes"] / max(theirs["output_bytes"] * _scale(ours, theirs), 1)
    if measure == "peak":
        return median(ours["peak_rss_bytes"]) / median(theirs["peak_rss_bytes"])
    return seconds(theirs, measure) / seconds(ours, measure) * _scale(ours, theirs)


def _scale(ours: Json, theirs: Json) -> float:
    """How many times as much all of the file would be for those that were given a part of it."""
    return ours["source_bytes"] / theirs["source_bytes"] if theirs["is_partial"] else 1.0


def seconds(command: Json, measure: str) -> float:
    """Seconds of a command, by processor ("CPU") or clock: of its work where it had a part."""
    name = "cpu_seconds" if measure == "CPU" else "seconds"
    return median(command[f"work_{name}" if command["is_partial"] else name])


def geometric_mean(values: Iterable[float]) -> float:
    """Their geometric mean, which is the same for ratios and their inverses."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


def shown(measure: str, value: float | None) -> str:
    """A figure as text."""
    if value is None:
        return "–"
    if measure == "peak bytes":
        return f"{value / 1e6:.0f} MB"
    if measure in ("GB/s", "seconds"):
        return f"{value:.2f} {'s' if measure == 'seconds' else measure}"
    return f"{value:.0f} ×" if value >= 10 else f"{value:.2f} ×"


def parquet_means(found: Sequence[Figure]) -> list[tuple[str, int | str, float]]:
    """(peer, size, geometric mean over the shapes of how many times as fast ours is, by CPU)."""
    values: dict[tuple[str, int | str], list[float]] = {}
    for figure in found:
        if figure.section == "CSV to Parquet" and figure.measure == "CPU" and figure.value:
            values.setdefault((figure.against, figure.size), []).append(figure.value)
    return [(*key, geometric_mean(those)) for key, those in values.items()]
