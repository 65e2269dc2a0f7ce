"""Which files the user means: names, patterns and folders."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.io.manifest_names import has_manifest, is_manifest_name, manifest_among
from bigdata_cli.io.places import join, list_folder, look_at
from bigdata_cli.io.remote.files import matches
from bigdata_cli.url import Url, as_place, is_address

CSV_EXTENSIONS = (".csv", ".tsv", ".tab", ".psv")
TEXT_EXTENSIONS = (".txt",)
JSON_LINES_EXTENSIONS = (".jsonl", ".ndjson")
JSON_EXTENSIONS = (".json",)
PARQUET_MAGIC, ENCRYPTED_PARQUET_MAGIC = b"PAR1", b"PARE"
PARQUET_EXTENSIONS = (".parquet", ".pq", ".parq")
COMPRESSED_EXTENSIONS = ("", ".gz", ".bgz", ".bz2", ".xz", ".zst")
_ADDRESSES_AT_ONCE = 16
Result = TypeVar("Result")


def expand_paths(paths: Sequence[str | Path]) -> tuple[str, ...]:
    """The names of the files that are meant, in order.

    A path that exists is itself, whatever characters it has, and so is a dataset of ours. Another
    folder is its CSV files by name, or its Parquet files or JSON lines, or else its text files.
    Else `*`, `?`, `[…]` and `**` (any folders) are a pattern. All of this goes for addresses too,
    but for folders and `?` of web servers. What is neither is left to whoever
    opens it. Raises UsageError where nothing is meant, and where a file is meant twice.
    """
    if not paths:
        raise UsageError("no source was given", hint="bigdata convert FILE.csv --to parquet")
    names: list[str] = []
    places = [as_place(path) if is_address(path) else path for path in paths]
    found = _each(_at_address, [place for place in places if isinstance(place, Url)])
    for place in places:
        if isinstance(place, Url):
            names += next(found)
            continue
        name = os.fspath(place)
        if os.path.isdir(name) and not has_manifest(name):
            names += _files_of_folder(name)
        elif os.path.lexists(name) or not glob.has_magic(name) or _is_inside(name):
            names.append(name)
        else:
            names += _matches(name)
    _check_unique(names)
    return tuple(names)


def _is_inside(name: str) -> bool:
    """Whether it names a member of an archive: no pattern of files."""
    archive, separator, _ = name.partition("::")
    return bool(separator and os.path.isfile(archive))


def _each(work: Callable[[Url], Result], urls: Sequence[Url]) -> Iterator[Result]:
    """What becomes of each address; servers are asked for some of them at a time."""
    if len(urls) < 2:
        yield from map(work, urls)
        return
    with ThreadPoolExecutor(_ADDRESSES_AT_ONCE, thread_name_prefix="addresses") as pool:
        yield from pool.map(work, urls)


def _looked_at(urls: Iterable[str | Url]) -> list[str]:
    """Addresses of files, with what is known of these."""

    def look(url: Url) -> Url:
        try:
            return url.with_snapshot(look_at(url, is_first=True))
        except OSError as error:
            raise UsageError(f"{url} cannot be read: {error.strerror}") from error

    return list(_each(look, [url for url in urls if isinstance(url, Url)]))


def _at_address(url: Url) -> list[str]:
    """The files that an address means; those that were found have what is known of them."""
    if url.snapshot is not None or "::" in url.name:
        return [url]
    try:
        return [url.with_snapshot(look_at(url, is_first=True))]
    except IsADirectoryError:
        names = [listed.name for listed in list_folder(url)]
        return [url] if manifest_among(names) else _looked_at(_files_of_folder(url))
    except FileNotFoundError:
        pattern = url.address.replace("?", "") if url.is_web else url.address
        return _matches_at_address(url) if glob.has_magic(pattern) else [url]
    except OSError as error:
        raise UsageError(f"{url} cannot be read: {error.strerror}") from error


def _matches_at_address(pattern: Url) -> list[str]:
    """The files that a pattern of addresses means, without those of our own datasets."""
    try:
        found = matches(pattern)
    except OSError as error:
        raise UsageError(f"{pattern} cannot be read: {error.strerror}") from error
    ours = {url.parent for url in found if is_manifest_name(url.name)}
    ours |= {
        folder
        for folder in {url.parent for url in found} - ours
        if not folder.is_web and has_manifest(folder)
    }
    kept = [url for url in found if url.parent not in ours]
    if kept:
        return _looked_at(kept)
    if found:
        raise UsageError(
            f"{pattern} matches files of a dataset only, such as {found[0]}",
            hint="name the files that the dataset was made of",
        )
    raise UsageError(f"{pattern} matches no file")


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


def _files_of_folder(folder: str | Url) -> list[str]:
    """The CSV or Parquet files of a folder, or else its text, by name; hidden ones are left out."""
    listed = [one for one in list_folder(folder) if not one.name.startswith((".", "_"))]
    files = [one.name for one in listed if not one.is_folder]
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
            return [join(folder, name) for name in wanted]
    partitions = _partitions(folder, [one.name for one in listed if one.is_folder])
    if partitions and not files:
        return [name for one in partitions for name in _files_of_folder(one)]
    extensions = (CSV_EXTENSIONS, TEXT_EXTENSIONS, JSON_LINES_EXTENSIONS, PARQUET_EXTENSIONS)
    known = " ".join(extension for group in extensions for extension in group)
    raise UsageError(
        f"{folder} is a folder without CSV, JSON lines, Parquet or text files ({known}, "
        "compressed or not)" + (f"; it has {', '.join(files[:5])}" if files else ""),
        hint=f"'{folder}/*' names all its files, '{folder}/**/*.csv' those of the folders in it",
    )


def _partitions(folder: str | Url, names: Sequence[str]) -> list[str | Url]:
    """The folders in a folder that are called KEY=VALUE; none where others are there."""
    is_partitioned = all(name.partition("=")[0] and "=" in name for name in names)
    return [join(folder, name) for name in names] if is_partitioned else []


def partition_keys(
    paths: Sequence[str | Path], names: Sequence[str]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """The keys and values of files in folders that are called KEY=VALUE within a folder given.

    Raises UsageError where files have different keys.
    """
    folders = [_with_slash(path) for path in paths if _is_folder_of(path, names)]
    keys: dict[str, tuple[tuple[str, str], ...]] = {}
    for name in names:
        folder = next((one for one in folders if name.startswith(one)), None)
        parts = [] if folder is None else posixpath.dirname(name[len(folder) :]).split("/")
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


def _is_folder_of(path: str | Path, names: Sequence[str]) -> bool:
    """Whether a path that was given is a folder, and some names are those of its files."""
    if not is_address(path):
        return os.path.isdir(path)
    place = as_place(path)
    return not isinstance(place, Url) or (
        place not in names and any(name.startswith(_with_slash(place)) for name in names)
    )


def _with_slash(path: str | Path) -> str:
    place = as_place(path) if is_address(path) else path
    return os.path.join(os.fspath(place), "")


def _matches(pattern: str) -> list[str]:
    """The files that a pattern means, by name, without those of our own datasets."""
    found = sorted(set(glob.glob(pattern, recursive=True)))
    files = [name for name in found if not os.path.isdir(name)]
    ours: dict[str, bool] = {}
    kept = []
    for name in files:
        folder = os.path.dirname(name)
        if folder not in ours:
            ours[folder] = has_manifest(folder)
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
        place = name.address if isinstance(name, Url) else os.path.abspath(name)
        if place in seen:
            raise UsageError(
                f"{name} is named twice: its rows would be in the dataset twice",
                hint="name each file once, or match it by one pattern only",
            )
        seen.add(place)
