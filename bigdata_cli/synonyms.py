"""What other tools call the options: pandas, Polars, DuckDB, Spark, Keras, shells.

A word that means exactly the same is understood, on the command line (`--sep`) and as a keyword of
Python (`sep=`). One that means nearly the same, or something that is not needed here, is an error
that names the option to use. A word counts for each command that has its option, and no option of
that name itself. The tables in docs/cli.md and docs/python.md are made of these.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache, wraps
from importlib import import_module
from typing import Any, TypeVar, cast

from bigdata_cli.argument_names import REQUESTS, in_python
from bigdata_cli.errors import UsageError
from bigdata_cli.options import Option, options_of

Function = TypeVar("Function", bound=Callable[..., Any])

SAME = {
    "--to": "format file-format output-format",
    "--output": "out out-dir output-dir output-path dest destination",
    "--force": "overwrite replace",
    "--shards": "num-shards n-shards npartitions num-partitions n-files num-files",
    "--shard-size": "max-shard-size max-file-size file-size file-size-bytes",
    "--label": "target target-column label-column y-column",
    "--float": "float-mode",
    "--hash": "hashed",
    "--eval": "evaluate-on",
    "--compression": "codec",
    "--type": "types dtype dtypes column-types schema-overrides",
    "--columns": "usecols select",
    "--drop": "exclude drop-columns",
    "--where": "filter query",
    "--rows": "nrows n-rows limit num-rows",
    "--limit": "nrows n-rows head num-rows max-rows",
    "--sample": "frac fraction",
    "--sort-by": "order-by sort orderby",
    "--partition-by": "partition-cols partition-columns partitionby",
    "--on": "left-on",
    "--dedup": "drop-duplicates unique distinct",
    "--delimiter": "sep delim separator field-delimiter",
    "--quote": "quotechar quote-char",
    "--escape": "escapechar escape-char",
    "--names": "column-names new-columns",
    "--skip-rows": "skiprows skip skip-lines",
    "--skip-footer": "skipfooter",
    "--comment": "comment-prefix",
    "--decimal": "decimal-separator decimal-point",
    "--thousands": "thousands-separator",
    "--true": "true-values",
    "--false": "false-values",
    "--jobs": "n-jobs num-jobs threads n-threads num-threads workers num-workers n-workers",
    "--memory-limit": "memory max-memory mem-limit",
    "--seed": "random-state random-seed",
    "--epochs": "num-epochs n-epochs",
    "--batch-size": "batchsize minibatch-size",
}
"""Option → words that mean exactly the same."""

_NULLS = "--null gives the texts that mean null, in place of the default ones"
_SHARDS = "--shards gives the number of shards, or --shard-size the bytes of one"
_PIECES = "what is read at a time follows from --memory-limit, and not from the size of the source"
_GROUPS = "row groups are as large as --memory-limit allows"
_BAD_ROWS = "--on-bad-row skip sets records aside that cannot be kept"
_TYPES = "all values decide what a column is, and not a sample; --type COL=DTYPE fixes it"
_SCALED = (
    "--standardize gives columns mean 0 and deviation 1, --minmax the range from 0 to 1; `bigdata "
    "train` normalises by itself"
)
_SPLIT = "--split train=0.8,test=0.2 divides the rows"
_SMOKE_TEST = "the smoke test has Adam with its default rate; --hidden and --epochs are its choices"
_HELD_OUT = "one row in five is held out; --eval DATASET judges by another dataset"

OTHERS = {
    "--null": {"na-values null-values nullstr keep-default-na na-filter": _NULLS},
    "--date-format": {
        "parse-dates timestamp-format datetime-format dayfirst": "dates of ISO 8601 are found; "
        "--date-format says how others are written"
    },
    "--on-bad-row": {"on-bad-lines error-bad-lines ignore-errors": _BAD_ROWS},
    "--long-rows": {
        "truncate-ragged-lines": "--long-rows cut leaves out what is too much in a row"
    },
    "--short-rows": {"null-padding": "--short-rows null fills rows that are too short"},
    "--drop": {"index-col": "there is no index; --drop COL leaves a column out"},
    "--header": {
        "header-row has-header": "--header and --no-header say whether the first row names the "
        "columns, --skip-rows what stands before it"
    },
    "--type": {"infer-schema-length sample-size": _TYPES},
    "--memory-limit": {
        "chunksize chunk-size blocksize low-memory": _PIECES,
        "row-group-size row-group-rows": _GROUPS,
    },
    "--shards": {"rows-per-shard rows-per-file max-rows-per-file records-per-shard": _SHARDS},
    "--compression": {
        "compression-level": "the level stands after the codec: --compression zstd:9"
    },
    "--standardize": {"normalize scale": _SCALED},
    "--split-by": {"test-size train-size validation-split": _SPLIT},
    "--hidden": {"learning-rate lr optimizer": _SMOKE_TEST},
    "--eval": {"test-size validation-split": _HELD_OUT},
    "--devices": {"gpus": "--devices N trains on so many GPUs"},
}
"""Option → words that mean something else, or what is not needed, and the answer to them."""


def synonyms_of(options: Iterable[Option]) -> dict[str, tuple[str, ...]]:
    """The flags of other tools for options, by the flag that does the same.

    >>> from bigdata_cli.options import Option
    >>> synonyms_of([Option("Between fields.", flag="--delimiter")])
    {'--delimiter': ('--sep', '--delim', '--separator', '--field-delimiter')}
    """
    own = {one.flag for one in options}
    return {
        flag: tuple(f"--{word}" for word in words.split() if f"--{word}" not in own)
        for flag, words in SAME.items()
        if flag in own
    }


def answers_of(options: Iterable[Option]) -> dict[str, str]:
    """The flags of other tools that these options are no synonyms of, each with the answer."""
    own = {one.flag for one in options}
    return {
        f"--{word}": answer
        for flag, answers in OTHERS.items()
        for words, answer in answers.items()
        for word in words.split()
        if flag in own and f"--{word}" not in own
    }


def no_such_option(word: str, command: str) -> UsageError | None:
    """The error for a flag that a command does not have, where another tool has it."""
    answer = answers_of(options_of_command(command)).get(word)
    return None if answer is None else UsageError(f"there is no {word}: {answer}")


def understands_synonyms(function: Function) -> Function:
    """A public function that takes the words of other tools as keywords too."""
    name = function.__name__
    known = inspect.signature(function).parameters.keys()

    @wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        if given.keys() <= known:
            return function(*args, **given)
        return function(*args, **_translated(given, name))

    return cast(Function, call)


def _translated(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Keyword arguments by the names that a function has for them."""
    options = options_of_command(name)
    by_flag = {one.flag: one.argument for one in options}
    arguments = {
        _keyword(word): by_flag[flag]
        for flag, words in synonyms_of(options).items()
        for word in words
    }
    answers = {_keyword(word): answer for word, answer in answers_of(options).items()}
    taken: dict[str, Any] = {}
    for word, value in given.items():
        if word in answers and word not in by_flag.values():
            raise UsageError(in_python(f"there is no argument {word}: {answers[word]}", name))
        argument = arguments.get(word, word)
        if argument in taken or (argument != word and argument in given):
            raise UsageError(f"{word} and {argument} are the same argument: give one of them")
        taken[argument] = value
    return taken


def _keyword(word: str) -> str:
    return word.removeprefix("--").replace("-", "_")


@cache
def options_of_command(name: str) -> tuple[Option, ...]:
    """The options of a command, by its name; none where it is no public function too."""
    if name not in REQUESTS:
        return ()
    module, _, request = REQUESTS[name].partition(":")
    return tuple(options_of(getattr(import_module(module), request)))
