"""Errors of a call from Python name arguments: `shards=3` where the command line has `--shards 3`.

Messages and hints are written once, with the flags of the command line. What a flag is in Python
follows from its option. A value belongs to the flag before it where nothing else can be meant: it
is quoted, a number, one of the choices, a name in capitals, or the flag and it are all that is
said. In `--epochs trains longer` no value is given.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module

from bigdata_cli.errors import BigdataError, UsageError
from bigdata_cli.options import Option, options_of, python_literal, python_type

REQUESTS = {
    "convert": "bigdata_cli.conversion.options:ConvertOptions",
    "commit": "bigdata_cli.conversion.commit_options:CommitOptions",
    "inspect": "bigdata_cli.inspection.options:InspectOptions",
    "head": "bigdata_cli.export.options:HeadOptions",
    "cat": "bigdata_cli.export.options:CatOptions",
    "diff": "bigdata_cli.comparison.options:DiffOptions",
    "train": "bigdata_cli.training.options:TrainOptions",
    "predict": "bigdata_cli.training.predict_options:PredictOptions",
    "verify": "bigdata_cli.verification.options:VerifyOptions",
    "push": "bigdata_cli.publishing.options:PushOptions",
    "sample": "bigdata_cli.samples.options:SampleOptions",
}
"""The public functions, which are commands too, and what each is asked for."""

_VALUE = r"""(?:'[^']*'|"[^"]*"|[^\s,;:()`]+(?:[:][^\s,;:()`]+)*)"""
_FLAG = re.compile(rf"""(?<![\w'"-])(?P<flag>--[a-z][a-z0-9-]*|-o)\b(?:[ =](?P<value>{_VALUE}))?""")
_COMMAND = re.compile(rf"bigdata (?P<name>{'|'.join(REQUESTS)})(?P<words>(?: {_VALUE})+)")
_NUMBER = re.compile(r"-?[\d.]+")
_PLACEHOLDER = re.compile(r"[A-Z]+|…")
_BREAK = re.compile(r"([,;:]\s+|\n\s*| or )")


@contextmanager
def errors_name_arguments(function: str) -> Iterator[None]:
    """Errors that leave it have the names of the arguments of a public function."""
    try:
        yield
    except BigdataError as error:
        error.message = in_python(error.message, function)
        error.hint = None if error.hint is None else in_python(error.hint, function)
        error.args = (error.message,)
        error.__notes__ = [in_python(note, function) for note in getattr(error, "__notes__", ())]
        raise


def in_python(text: str, function: str) -> str:
    """A message with the arguments of a function for the flags of its command.

    >>> in_python("--max-bad-rows goes with --on-bad-row skip", "convert")
    'max_bad_rows goes with on_bad_row="skip"'
    >>> in_python("bigdata convert a.csv --to parquet makes one", "inspect")
    'convert("a.csv", to="parquet") makes one'
    >>> in_python("--date-format 'd=%d %b, %Y', or --all-text", "convert")
    'date_format=["d=%d %b, %Y"], or all_text=True'
    """
    text = _COMMAND.sub(_call, text)
    parts = _parts(text)
    return "".join(_all_flags(part, function) or _in_prose(part, function) for part in parts)


def _parts(text: str) -> list[str]:
    """The parts of a sentence and what is between them; a quoted value of a flag is not divided."""
    quoted = [
        found.span("value") for found in _FLAG.finditer(text) if (found["value"] or " ")[0] in "'\""
    ]
    parts, last = [], 0
    for found in _BREAK.finditer(text):
        if not any(start < found.start() < stop for start, stop in quoted):
            parts += [text[last : found.start()], found[0]]
            last = found.end()
    return [*parts, text[last:]]


def _call(found: re.Match[str]) -> str:
    """A command as the call of its function; as it is where it has no such call."""
    words = re.findall(_VALUE, found["words"])
    arguments = []
    while words and not words[0].startswith("-") and _is_file(*words[:2]):
        word = words.pop(0)
        arguments.append(word if _PLACEHOLDER.fullmatch(word) else python_literal(_unquoted(word)))
    flags = _flags(found["name"])
    while words and words[0].startswith("-"):
        flag = words.pop(0)
        one = flags.get(flag)
        if one is None or (one.takes_value and not words):
            return found[0]
        arguments.append(_argument(one, flag, words.pop(0) if one.takes_value else None))
    rest = "".join(f" {word}" for word in words)
    return f"{found['name']}({', '.join(arguments)}){rest}" if arguments else found[0]


def _is_file(word: str, following: str = "-") -> bool:
    """Whether a word after a command is its file, and not the next one of a sentence."""
    looks_like_one = _PLACEHOLDER.fullmatch(word) or re.search(r"[./'\"_\d-]", word)
    return bool(looks_like_one) or following.startswith("-")


def _all_flags(text: str, function: str) -> str | None:
    """A text that is flags and values only, as arguments; None for another one."""
    words = re.findall(_VALUE, text)
    if not words or " ".join(words) != text.strip():
        return None
    flags = {**_all(), **_flags(function)}
    arguments: list[str] = []
    rest = iter(words)
    for word in rest:
        one = flags.get(word)
        if one is None:
            return None
        value = next(rest, None) if one.takes_value else None
        if value is not None and value in flags:
            return None
        arguments.append(_argument(one, word, value))
    return ", ".join(arguments)


def _in_prose(text: str, function: str) -> str:
    flags = {**_all(), **_flags(function)}

    def reworded(found: re.Match[str]) -> str:
        one = flags.get(found["flag"])
        if one is None:
            return found[0]
        value = found["value"]
        if one.takes_value and value is not None and _is_value(one, value):
            return _argument(one, found["flag"], value)
        if not one.takes_value and value in ("on", "off"):
            return f"{one.argument}={value == 'on'}"
        rest = "" if value is None else found[0][len(found["flag"]) :]
        return _argument(one, found["flag"], None) + rest

    return _FLAG.sub(reworded, text)


def _argument(one: Option, flag: str, value: str | None) -> str:
    if not one.takes_value:
        return f"{one.argument}={not flag.startswith('--no-')}"
    if value is None:
        return one.argument
    plain = _unquoted(value)
    if _PLACEHOLDER.fullmatch(plain):
        return f"{one.argument}={plain}"
    if one.values.choices:
        return f"{one.argument}={' or '.join(map(python_literal, plain.split('|')))}"
    if _NUMBER.fullmatch(plain) and python_type(one).startswith(("int", "float")):
        return f"{one.argument}={plain}"
    try:
        parsed = one.values.parse(plain)
    except (UsageError, ValueError):
        return f"{one.argument}={python_literal(plain)}"
    if one.values.collect is not None:
        parsed = one.values.collect([parsed])
    return f"{one.argument}={python_literal(parsed if isinstance(parsed, dict | tuple) else plain)}"


def _is_value(one: Option, word: str) -> bool:
    """Whether a word after a flag in a sentence is its value, and not the sentence's next word."""
    plain = _unquoted(word)
    if plain != word or _PLACEHOLDER.fullmatch(word):
        return True
    if one.values.choices:
        return set(word.split("|")) <= set(one.values.choices)
    return word == "-" or re.search(r"[\d./_=]", word.rstrip(".")) is not None


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
        return shlex.split(word)[0] if len(shlex.split(word)) == 1 else word[1:-1]
    return word


@cache
def _flags(function: str) -> dict[str, Option]:
    """The options of a function by each of their flags."""
    module, _, name = REQUESTS[function].partition(":")
    flags: dict[str, Option] = {}
    for one in options_of(getattr(import_module(module), name)):
        flags[one.flag] = one
        if one.short:
            flags[one.short] = one
        if not one.takes_value:
            flags[one.flag_of(False)] = one
    return flags


@cache
def _all() -> dict[str, Option]:
    """The options of all functions; of a flag that several have, that of the first one.

    Not those of `push`: in all other texts `--dry-run` is that of the command `convert`.
    """
    found: dict[str, Option] = {}
    for function in [name for name in REQUESTS if name != "push"]:
        for flag, one in _flags(function).items():
            found.setdefault(flag, one)
    return found
