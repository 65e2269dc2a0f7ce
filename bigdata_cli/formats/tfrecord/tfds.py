"""The two files that let TensorFlow Datasets read a folder of TFRecord shards.

    tfds.builder_from_directory(folder).as_dataset(split="train")

`features.json` names the features, `dataset_info.json` the shards and their rows. They are written
for uncompressed shards in the layouts rows and packed; of the layout block, and of gzip, TensorFlow
Datasets knows nothing. There is one split per stem of file names; a lone one is called "train".

A feature that may be absent (a column with nulls, `i.valid`) has the shape (None,): no value where
it is absent, and one (or n) where it is not. The `optional` of TensorFlow Datasets would put an
ordinary number there (the smallest float, an empty text), which a model would take for a value.
uint64 is text, its decimal digits.

A slash in a name stands for nesting there: the column `fare/total` is `example["fare"]["total"]`.
Where there is a label, `as_supervised=True` gives pairs of the features and the label.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from bigdata_cli.formats.tfrecord.layout import feature_spec

_CONNECTORS = "tensorflow_datasets.core.features"
_FILE_NAME = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.tfrecord", re.DOTALL)
_DTYPES = {"int64": "int64", "float": "float32", "bytes": "string"}


def sidecars(dataset: Mapping[str, Any]) -> dict[str, str]:
    """`features.json` and `dataset_info.json` from a manifest as JSON.

    Empty where TensorFlow Datasets cannot read the dataset: the layout block, gzip, names that do
    not nest (`a` beside `a/b`, `a//b`, none at all), more than 99,999 shards.
    """
    compression = (dataset["compression"] or "none").partition(":")[0]
    if dataset["layout"] not in ("rows", "packed") or compression != "none":
        return {}
    spec = feature_spec(dataset)
    splits = _splits(dataset)
    features = _nested(spec)
    if not spec or not splits or features is None:
        return {}
    info: dict[str, Any] = {
        "name": _identifier(dataset["name"]),
        "version": "1.0.0",
        "description": f"Made by bigdata {dataset['tool_version']}.",
        "fileFormat": "tfrecord",
        "splits": splits,
    }
    pair = _supervised(list(features), dataset)
    if pair is not None:
        info["supervisedKeys"] = {"tuple": {"items": pair}}
    return {"features.json": _text(_features_dict(features)), "dataset_info.json": _text(info)}


def _nested(spec: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """The features as JSON by the parts of their names; None where these do not nest."""
    nested: dict[str, Any] = {}
    for key, entry in spec.items():
        *outer, last = key.split("/")
        inside = nested
        for part in outer:
            inside = inside.setdefault(part, {})
            if "pythonClassName" in inside:
                return None
        if not all([*outer, last]) or last in inside:
            return None
        inside[last] = _feature(entry)
    return nested


def _features_dict(features: Mapping[str, Any]) -> dict[str, Any]:
    inner = {
        key: value if "pythonClassName" in value else _features_dict(value)
        for key, value in features.items()
    }
    name = f"{_CONNECTORS}.features_dict.FeaturesDict"
    return {"pythonClassName": name, "featuresDict": {"features": inner}}


def _supervised(names: list[str], dataset: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The features and the label as TensorFlow Datasets gives them as a pair; None without one."""
    label = "label" if dataset["layout"] == "packed" else dataset["label"]
    features = [name for name in names if name != label]
    if dataset["label"] is None or label not in names or not features:
        return None
    by_name = {name: {"featureKey": name} for name in features}
    if dataset["layout"] == "packed" and features == ["x"]:
        return [by_name["x"], {"featureKey": label}]
    return [{"dict": {"dict": by_name}}, {"featureKey": label}]


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _identifier(name: str) -> str:
    """The name as TensorFlow Datasets wants it: letters, digits and underscores."""
    return re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_") or "dataset"


def _feature(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A feature connector as JSON."""
    default = entry["default"]
    # NaN stands for null in the spec of a nullable float, and a mask may be absent: both ragged.
    absent = default is not None and (isinstance(default, list) or math.isnan(default))
    ragged = entry["shape"] == "ragged" or absent
    shape = [-1] if ragged else entry["shape"]
    if entry["type"] == "bytes" and not shape:
        return {"pythonClassName": f"{_CONNECTORS}.text_feature.Text", "text": {}}
    if not shape:
        content = {"shape": {}, "dtype": _DTYPES[entry["type"]], "encoding": "none"}
        return {"pythonClassName": f"{_CONNECTORS}.scalar.Scalar", "tensor": content}
    content = {
        "shape": {"dimensions": [str(n) for n in shape]},
        "dtype": _DTYPES[entry["type"]],
        "encoding": "none",
    }
    return {"pythonClassName": f"{_CONNECTORS}.tensor_feature.Tensor", "tensor": content}


def _splits(dataset: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The splits as JSON; empty where the file names are not those of whole splits."""
    by_stem: dict[str, list[Mapping[str, Any]]] = {}
    for shard in dataset["shards"]:
        match = _FILE_NAME.fullmatch(shard["files"][0]["name"])
        if match is None:
            return []
        members = by_stem.setdefault(match["stem"], [])
        if int(match["index"]) != len(members):
            return []
        members.append(shard)
    splits = []
    for stem, members in by_stem.items():
        literal = stem.replace("{", "{{").replace("}", "}}")
        splits.append(
            {
                "name": stem if len(by_stem) > 1 else "train",
                "shardLengths": [str(shard["rows"]) for shard in members],
                "numBytes": str(sum(shard["files"][0]["bytes"] for shard in members)),
                "filepathTemplate": literal + "-{SHARD_X_OF_Y}.{FILEFORMAT}",
            }
        )
    return splits
