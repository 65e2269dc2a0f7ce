"""Which files the user means: names, patterns and folders."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from bigdata_cli.errors import UsageError, did_you_mean

CSV_EXTENSIONS = (".csv", ".tsv", ".tab", ".psv")
TEXT_EXTENSIONS = (".txt",)
JSON_LINES_EXTENSIONS = (".jsonl", ".ndjson")
JSON_EXTENSIONS = (".json",)
MANIFEST_NAME = "_manifest.json"
"""The file that makes a folder a dataset."""
PARQUET_MAGIC, ENCRYPTED_PARQUET_MAGIC = b"PAR1", b"PARE"
PARQUET_EXTENSIONS = (".parquet", ".pq", ".parq")
COMPRESSED_EXTENSIONS = ("", ".gz", ".bgz", ".bz2", ".xz", ".zst")


def expand_paths(paths: Sequence[str | Path]) -> tuple[str, ...]:
    """The names of the files that are meant, in order.

    A path that exists is itself, whatever characters it has, and so is a dataset of ours. Another
    folder is its CSV files by name, or its Parquet files or JSON lines, or else its text files.
    Else `*`, `?`, `[…]` and `**` (any folders) are a pattern. What is neither is left to whoever
    opens it. Raises UsageError where nothing is meant, and where a file is meant twice.
    """
    if not paths:
        raise UsageError("no source was given", hint="bigdata convert FILE.csv --to parquet")
    names: list[str] = []
    for path in paths:
        name = os.fspath(path)
        if os.path.isdir(name) and not os.path.exists(os.path.join(name, MANIFEST_NAME)):
            names += _files_of_folder(name)
        elif os.path.lexists(name) or not glob.has_magic(name) or _is_inside(name):
            names.append(name)
        else:
            names += _matches(name)
    _check_unique(names)
    return tuple(names)


def _is_inside(name: str) -> bool:
    """Whether it names a member of an archive, or an address: no pattern of files."""
    archive, separator, _ = name.partition("::")
    return "://" in name or bool(separator and os.path.isfile(archive))


def is_csv_name(name: str) -> bool:
    """Whether a file is called as a CSV file is, compressed or not."""
    return name.lower().endswith(_endings(CSV_EXTENSIONS))


def is_text_name(name: str) -> bool:
    """Whether a file is called as a text file is, compressed or not."""
    return name.lower().endswith(_endings(TEXT_EXTENSIONS))


def is_parquet_name(name: str) -> bool:
    """Whether a file is called as a Parquet file is."""
    return name.lower().endswith(PARQUET_EXTENSIONS)


def is_json_lines_name(name: str) -> bool:
    """Whether a file is called as JSON lines are, compressed or not."""
    return name.lower().endswith(_endings((*JSON_LINES_EXTENSIONS, *JSON_EXTENSIONS)))


def _endings(extensions: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        extension + compressed for extension in extensions for compressed in COMPRESSED_EXTENSIONS
    )


def _files_of_folder(folder: str) -> list[str]:
    """The CSV or Parquet files of a folder, or else its text, by name; hidden ones are left out."""
    with os.scandir(folder) as entries:
        files = sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith((".", "_")) and entry.is_file()
        )
    kinds = {
        "CSV": [name for name in files if is_csv_name(name)],
        "Parquet": [name for name in files if is_parquet_name(name)],
        # A .json beside data mostly describes them: it is read where it is named.
        "JSON lines": [n for n in files if n.lower().endswith(_endings(JSON_LINES_EXTENSIONS))],
    }
    found = [(kind, names) for kind, names in kinds.items() if names]
    if len(found) > 1:
        (first, one), (second, other) = found[:2]
        endings = [os.path.splitext(name)[1] for name in (one[0], other[0])]
        raise UsageError(
            f"{folder} has {first} files and {second} files, such as {one[0]} and {other[0]}",
            hint=f"'{folder}/*{endings[0]}' or '{folder}/*{endings[1]}' names those of one kind",
        )
    found += [("text", [name for name in files if is_text_name(name)])]
    for _, wanted in found:
        if wanted:
            return [os.path.join(folder, name) for name in wanted]
    partitions = _partitions(folder)
    if partitions and not files:
        return [name for one in partitions for name in _files_of_folder(one)]
    extensions = (CSV_EXTENSIONS, TEXT_EXTENSIONS, JSON_LINES_EXTENSIONS, PARQUET_EXTENSIONS)
    known = " ".join(extension for group in extensions for extension in group)
    raise UsageError(
        f"{folder} is a folder without CSV, JSON lines, Parquet or text files ({known}, "
        "compressed or not)" + (f"; it has {', '.join(files[:5])}" if files else ""),
        hint=f"'{folder}/*' names all its files, '{folder}/**/*.csv' those of the folders in it",
    )


def _partitions(folder: str) -> list[str]:
    """The folders in a folder that are called KEY=VALUE, by name; none where others are there."""
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.is_dir() and not entry.name.startswith((".", "_"))
        )
    is_partitioned = all(name.partition("=")[0] and "=" in name for name in names)
    return [os.path.join(folder, name) for name in names] if is_partitioned else []


def partition_keys(
    paths: Sequence[str | Path], names: Sequence[str]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """The keys and values of files in folders that are called KEY=VALUE within a folder given.

    Raises UsageError where files have different keys.
    """
    folders = [os.path.join(os.fspath(path), "") for path in paths if os.path.isdir(path)]
    keys: dict[str, tuple[tuple[str, str], ...]] = {}
    for name in names:
        folder = next((one for one in folders if name.startswith(one)), None)
        parts = [] if folder is None else os.path.dirname(name[len(folder) :]).split(os.sep)
        pairs = [part.partition("=") for part in parts if "=" in part]
        keys[name] = tuple((unquote(key), unquote(value)) for key, _, value in pairs)
    found = {tuple(key for key, _ in pairs): name for name, pairs in keys.items()}
    if len(found) > 1:
        (one, first), (other, second) = list(found.items())[:2]
        raise UsageError(
            f"{first} has the keys {', '.join(one) or 'none'} in the names of its folders, and "
            f"{second} has {', '.join(other) or 'none'}",
            hint=f"'{os.path.dirname(first)}/*' names the files of one folder, without such keys",
        )
    return keys


def _matches(pattern: str) -> list[str]:
    """The files that a pattern means, by name, without those of our own datasets."""
    found = sorted(set(glob.glob(pattern, recursive=True)))
    files = [name for name in found if not os.path.isdir(name)]
    ours: dict[str, bool] = {}
    kept = []
    for name in files:
        folder = os.path.dirname(name)
        if folder not in ours:
            ours[folder] = os.path.exists(os.path.join(folder, MANIFEST_NAME))
        if not ours[folder]:
            kept.append(name)
    if kept:
        return kept
    if files:
        raise UsageError(
            f"{pattern} matches files of a dataset only, such as {files[0]}",
            hint="name the files that the dataset was made of",
        )
    if found:
        raise UsageError(
            f"{pattern} matches folders only, such as {found[0]}",
            hint=f"'{pattern}/*.csv' matches the files in them",
        )
    raise UsageError(f"{pattern} matches no file", hint=_suggestion(pattern))


def _suggestion(pattern: str) -> str:
    """What is in the folder where the pattern looks."""
    folder = os.path.dirname(pattern)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    try:
        names = sorted(name for name in os.listdir(folder or ".") if not name.startswith("."))
    except OSError:
        return f"there is no folder {folder}"
    where = folder or "the working folder"
    if not names:
        return f"{where} is empty"
    return f"{where}: {did_you_mean(os.path.basename(pattern), names)}"


def _check_unique(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        place = os.path.abspath(name)
        if place in seen:
            raise UsageError(
                f"{name} is named twice: its rows would be in the dataset twice",
                hint="name each file once, or match it by one pattern only",
            )
        seen.add(place)
