"""The public functions: what editors, type checkers, `help()` and errors say of them."""

from __future__ import annotations

import ast
import inspect as stdlib_inspect
import os
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest
from click.testing import CliRunner

import bigdata_cli
from bigdata_cli import (
    UsageError,
    cat,
    commit,
    convert,
    diff,
    head,
    inspect,
    open_dataset,
    predict,
    push,
    sample,
    train,
    verify,
)
from bigdata_cli.argument_names import REQUESTS, in_python
from bigdata_cli.cli import main
from bigdata_cli.cli.reference import commands
from bigdata_cli.formats.registry import FORMATS
from bigdata_cli.options import python_type
from bigdata_cli.signatures import API, PAGE, options_of_function, python_page, with_signatures

PACKAGE = Path(bigdata_cli.__file__).parent
FLAG = re.compile(r"(?<![\w'\"-])--([a-z][a-z-]*[a-z])(?![\w-])")
FLAGS_OF_COMMANDS_ALONE = {
    "dry-run",
    "json",
    "quiet",
    "verbose",
    "help",
    "help-all",
    "version",
    "compare",
}
FLAGS_OF_OTHERS = {"nproc-per-node", "long", "force-reinstall", "no-deps", "editable", "head"}
FLAGS_OF_OTHERS |= {"dir-mode"}
"""Of torchrun, zstd, pip, Ray and Kaggle."""


def test_signatures_and_tables_are_up_to_date():
    source = API.read_text(encoding="utf-8")
    assert with_signatures(source) == source, "make docs writes it anew"
    assert python_page(source) == PAGE.read_text(encoding="utf-8"), "make docs writes it anew"


@pytest.mark.parametrize("name", REQUESTS)
def test_a_function_has_each_option_of_its_command_once(name):
    function = getattr(bigdata_cli, name)
    assert isinstance(function, FunctionType)
    parameters = stdlib_inspect.signature(function).parameters
    for one in options_of_function(name):
        parameter = parameters[one.argument]
        assert parameter.kind is parameter.KEYWORD_ONLY
        if parameter.default is not None:
            assert parameter.default in (one.default, parameter.empty)
    command = next(command for full, command, _ in commands() if full == f"bigdata {name}")
    ours = {parameter.name for parameter in command.params if parameter.expose_value}
    ours -= {"dry_run", "as_json", "quiet", "verbose", "more_sources", "other", "compare"}
    other = {"verify": {"path": "dataset"}, "push": {"path": "dataset", "to": "target"}}
    renamed = other.get(name, {})
    assert ours == {renamed.get(one, one) for one in parameters} - {"progress", "dry_run"}


def test_help_shows_the_arguments_and_what_they_do():
    shown = pydoc.render_doc(bigdata_cli.convert, renderer=pydoc.plaintext)
    assert f"to: Optional[Literal[{', '.join(map(repr, FORMATS))}]]" in shown
    assert "shard_size: int | str | None = None" in shown
    assert "on_bad_row: A record that cannot be kept stops the run" in shown
    assert "--" not in shown.replace("--dry-run --json", "")


SCRIPT = """
from bigdata_cli import Dataset, convert, inspect, open_dataset, predict, sample, train, verify

reveal_type(convert("a.csv", to="parquet", shard_size="1GB", drop=["x"], type={"y": "text"}))
reveal_type(inspect("a.csv", full=True))
reveal_type(open_dataset("d"))
reveal_type(train("d", epochs=2, sample=0.1, eval=open_dataset("e")))
reveal_type(predict("m.keras", "d", output="x.csv"))
reveal_type(verify("d", source=["a.csv"]).passed)
reveal_type(sample("log", rows=5, output="x.txt"))
reveal_type(Dataset.schema)
reveal_type(open_dataset("d").rows)
convert("a.csv", to="parquet", shards="3")
convert("a.csv", to="parkett")
convert(to="parquet")
train("d", epoch=2)
inspect("a.csv", label=5)
verify("d", jobs="all")
predict("m.keras", "d")
open_dataset(5)
"""
REVEALED = (
    "bigdata_cli.conversion.report.ConvertReport", "bigdata_cli.inspection.report.CsvReport",
    "bigdata_cli.dataset.dataset.Dataset", "bigdata_cli.training.report.TrainReport",
    "bigdata_cli.training.predict.PredictReport", "builtins.bool", "builtins.int",
    "bigdata_cli.types.dtype.Schema", "builtins.int",
)  # fmt: skip
FIRST_WRONG_LINE = 13


def test_a_type_checker_sees_the_types_in_a_users_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    assert (PACKAGE / "py.typed").exists()
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", "--config-file=",
         f"--cache-dir={tmp_path / 'cache'}", "--no-error-summary", script.name],
        cwd=tmp_path, env={**os.environ, "MYPYPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    notes = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert len(notes) == len(REVEALED), done.stdout + done.stderr
    for note, expected in zip(notes, REVEALED, strict=True):
        assert expected.removeprefix("builtins.") in note
    wrong = [int(line) for line in re.findall(r"script\.py:(\d+): error", done.stdout)]
    assert wrong == list(range(FIRST_WRONG_LINE, FIRST_WRONG_LINE + 8)), done.stdout


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (lambda: convert("x.csv", to="npy", shards=0), "shards=0 is not between 1", None),
        (lambda: convert("x.csv", to="npy", max_bad_rows=1),
         'max_bad_rows goes with on_bad_row="skip"', None),
        (lambda: convert("x.csv", to="npy", force=True, repair=True),
         "force=True and repair=True exclude each other", None),
        (lambda: convert("x.csv", to="npy", shards="3"),
         "shards is '3'; its type is int | None", None),
        (lambda: convert("x.csv", to="npy", drop="ab"),
         "drop is 'ab'; its type is Sequence[str]", None),
        (lambda: convert("x.csv", to="npy", force="no"), "force is 'no'; its type is bool", None),
        (lambda: inspect("x.csv", memory=0), "memory=0 is not positive", 'memory="16GB"'),
        (lambda: train("d", resume=True), "resume=True goes on from the file that save names",
         'save="model.keras"'),
        (lambda: train("d", bag=3), "bag trains each model on a sample of its own", "sample=0.05"),
        (lambda: train("d", stratify=True), "stratify=True is of sample", "sample=0.05"),
        (lambda: predict("m", "d", output="x.txt"), "x.txt: predictions are written as",
         'output="x.parquet", or output="-" for CSV on standard output'),
        (lambda: open_dataset("x.csv"), "x.csv is a file",
         'convert("x.csv", to="parquet") makes a dataset of it'),
        (lambda: verify("d", jobs=0), "jobs=0 is not positive", None),
        (lambda: sample("log"), "say how much: either rows or size", "rows=10000"),
    ],
)  # fmt: skip
def test_errors_name_arguments(tmp_path, monkeypatch, call, message, hint):
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.message.startswith(message)
    assert hint is None or caught.value.hint == hint
    assert not FLAG.search(str(caught.value))


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["convert", "x.csv", "--to", "npy", "--max-bad-rows", "1"],
         "--max-bad-rows goes with --on-bad-row skip", None),
        (["train", "d", "--resume"], "--resume goes on from the file that --save names",
         "--save model.keras"),
        (["sample", "log"], "say how much: either --rows or --size", "--rows 10000"),
    ],
)  # fmt: skip
def test_the_command_line_names_flags(tmp_path, monkeypatch, words, message, hint):
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("a,b\n1,2\n")
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert f"Error: {message}" in result.stderr
    assert hint is None or f"Hint: {hint}" in result.stderr


@pytest.mark.parametrize(
    ("function", "text", "expected"),
    [
        ("convert", "--type 't=text', or leave out --no-spool",
         'type={"t": "text"}, or leave out spool=False'),
        ("convert", "--drop 'a,b'", 'drop=["a", "b"]'),
        ("convert", "check --drop and --columns", "check drop and columns"),
        ("convert", "--on-bad-row error|skip", 'on_bad_row="error" or "skip"'),
        ("convert", "--to tfrecord --layout block: about 5 bytes",
         'to="tfrecord", layout="block": about 5 bytes'),
        ("convert", "-o OTHER names another folder; --force replaces it",
         "output=OTHER names another folder; force=True replaces it"),
        ("convert", "the value '--jobs' of column a", "the value '--jobs' of column a"),
        ("train", "--epochs trains longer", "epochs trains longer"),
        ("train", '--eval "[80%:]"', 'eval="[80%:]"'),
        ("train", "--hash COL=1024 learns from text", 'hash={"COL": 1024} learns from text'),
        ("train", "another --label, or convert with --type x=category",
         'another label, or convert with type={"x": "category"}'),
        ("train", "bigdata train uses one device on jax", "bigdata train uses one device on jax"),
        ("train", "torchrun --nproc-per-node 2", "torchrun --nproc-per-node 2"),
        ("inspect", "bigdata convert 'a b.csv' --to parquet makes one",
         'convert("a b.csv", to="parquet") makes one'),
        ("inspect", "bigdata convert … --dry-run --json prints one",
         "bigdata convert … --dry-run --json prints one"),
    ],
)  # fmt: skip
def test_flags_in_a_text_as_arguments(function, text, expected):
    assert in_python(text, function) == expected


NOT_OF_TYPE = [
    (1.5, {"float"}),
    (7, {"int", "float"}),
    (True, {"bool"}),
    ("ab", {"str"}),
    (b"ab", set()),
    (["ab"], {"Sequence[str]", "Sequence[str | Path]"}),
    (["ab", 7], set()),
    ([b"ab"], set()),
    ([7], {"Sequence[int]"}),
    ([7.5], set()),
    ({"ab": 7}, {"Mapping[str, int]", "Mapping[str, float]", "Mapping[str, Any]"}),
    ({"ab": "cd"}, {"Mapping[str, str]", "Mapping[str, Any]"}),
    ({7: "cd"}, set()),
    (object(), set()),
]
"""Values, and the types of arguments that they are of."""
CALLS = {
    "convert": lambda **given: convert("x.csv", **{"to": "npy"} | given),
    "commit": lambda **given: commit("d", **given),
    "inspect": lambda **given: inspect("x.csv", **given),
    "head": lambda **given: head("d", **given),
    "cat": lambda **given: cat("d", **given),
    "diff": lambda **given: diff("d", "e", **given),
    "train": lambda **given: train("d", **given),
    "predict": lambda **given: predict("m", "d", **{"output": "x.csv"} | given),
    "verify": lambda **given: verify("d", **given),
    "sample": lambda **given: sample("log", **given),
    "push": lambda **given: push("d", "hf://datasets/me/d", **given),
}


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, one.argument) for name in REQUESTS for one in options_of_function(name)],
)
def test_an_argument_of_the_wrong_type_is_refused(tmp_path, monkeypatch, name, argument):
    monkeypatch.chdir(tmp_path)
    one = next(o for o in options_of_function(name) if o.argument == argument)
    type_ = re.sub(r"^\"|\"$", "", python_type(one))
    of_type = set(re.split(r" \| (?![^\[]*\])", type_))
    for value, types in NOT_OF_TYPE:
        if types & of_type:
            continue
        with pytest.raises(UsageError) as caught:
            CALLS[name](**{argument: value})
        assert caught.value.message.startswith(f"{argument} is ")
        assert not FLAG.search(str(caught.value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (lambda: convert("x.csv", to="npy", null="NA"), "null is 'NA'", 'null=["NA"]'),
        (lambda: convert("x.csv", to="npy", drop="a,b"), "drop is 'a,b'", 'drop=["a", "b"]'),
        (lambda: convert("x.csv", to="npy", type="zip=text"), "type is 'zip=text'",
         'type={"zip": "text"}'),
        (lambda: convert("x.csv", to="npy", names={"a", "b"}), "names is {", None),
        (lambda: train("d", hidden="16,8"), "hidden is '16,8'", "hidden=[16, 8]"),
        (lambda: convert("x.csv", to="parkett"), 'to is "parkett", which is none of "parquet", ',
         'to="parquet"'),
        (lambda: convert("x.csv", to="npy", on_bad_row="drop"), 'on_bad_row is "drop", which is',
         None),
        (lambda: convert(7, to="npy"), "sources is 7", None),
        (lambda: convert([b"x.csv"], to="npy"), "sources is [b'x.csv']", None),
        (lambda: inspect(["x.csv"]), "path is ['x.csv']; its type is str | Path", None),
        (lambda: open_dataset(None), "path is None", None),
        (lambda: verify(7), "path is 7", None),
    ],
)  # fmt: skip
def test_a_wrong_type_comes_with_what_was_meant(call, message, hint):
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.message.startswith(message)
    assert caught.value.hint == hint


def test_names_whose_order_means_nothing_may_be_a_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("a,b,c\n1,2,3\n")
    assert convert("x.csv", to="npy", drop={"b", "a"}).manifest.schema.names == ("c",)


def _texts(path: Path) -> list[str]:
    """The texts of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]


def test_every_flag_in_a_message_is_that_of_an_option():
    known = FLAGS_OF_COMMANDS_ALONE | FLAGS_OF_OTHERS
    for name in REQUESTS:
        for one in options_of_function(name):
            known |= {one.flag.removeprefix("--"), one.flag_of(False).removeprefix("--")}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "compile.py":
            continue
        for text in _texts(path):
            unknown = set(FLAG.findall(text)) - known
            assert not unknown, f"{path}: {text}"


def test_ipython_shows_an_error_of_the_user_without_a_traceback():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    result = shell.run_cell("from bigdata_cli import convert; convert('none.csv', to='npy')")
    error = result.error_in_exec
    assert isinstance(error, UsageError)
    assert error._render_traceback_()[0] == f"UsageError: {error.message}"


@pytest.mark.parametrize("name", REQUESTS)
def test_an_argument_is_called_as_its_flag(name):
    """`--shard-size` is `shard_size`, for all options of all functions."""
    for one in options_of_function(name):
        assert one.argument == one.flag.removeprefix("--").replace("-", "_")


def test_earlier_names_of_arguments_are_understood(tmp_path):
    source = tmp_path / "a.csv"
    source.write_text("a,b\n1,0.1\n")
    report = convert(
        source, to="npy", output=tmp_path / "out", types={"a": "float64"}, float_mode="32"
    )
    assert [column.dtype for column in report.manifest.schema] == ["float64", "float32"]
    with pytest.raises(UsageError, match="types and type are the same argument"):
        convert(source, to="npy", types={}, type={})
