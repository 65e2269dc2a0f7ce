"""The words of other tools: understood where they mean the same, else answered."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import bigdata_cli
from bigdata_cli import UsageError, convert, head, inspect, sample
from bigdata_cli.argument_names import REQUESTS
from bigdata_cli.cli import main
from bigdata_cli.synonyms import OTHERS, SAME, answers_of, options_of_command, synonyms_of

ROWS = "a;y\n1;0\n2;1\n3;0\n"


def run(*arguments: object):
    """The result of a command line."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(ROWS)
    return path


def test_the_table_names_options_that_there_are():
    flags = {one.flag for name in REQUESTS for one in options_of_command(name)}
    assert SAME.keys() | OTHERS.keys() <= flags


@pytest.mark.parametrize("command", REQUESTS)
def test_no_word_means_two_things_in_a_command(command):
    options = options_of_command(command)
    same = [word for words in synonyms_of(options).values() for word in words]
    words = [*same, *answers_of(options), *(one.flag for one in options)]
    assert len(set(words)) == len(words)


def test_synonyms_on_the_command_line(tmp_path, file):
    folder = tmp_path / "d"
    words = [
        "--format",
        "parquet",
        "--sep",
        ";",
        "--target=y",
        "--dtype",
        "a=text",
        "--out",
        folder,
    ]
    assert run("convert", file, *words, "-q").exit_code == 0
    dataset = bigdata_cli.open_dataset(folder)
    assert dataset.storage.label == "y"
    assert dataset.schema["a"].dtype == "text"
    assert run("convert", file, *words, "-q").exit_code == 2
    assert run("convert", file, *words, "-q", "--overwrite").exit_code == 0


def test_synonyms_as_keywords(tmp_path, file):
    report = convert(
        file, format="npy", output_dir=tmp_path / "d", sep=";", target="y", dtype={"a": "float64"}
    )
    assert report.manifest.storage.label == "y"
    assert report.manifest.schema["a"].dtype == "float64"
    assert head(file, nrows=1, usecols=["y"], delim=";").to_pylist() == [{"y": 0}]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--na-values", "x"], "--null gives the texts that mean null"),
        (["--rows-per-shard=5"], "--shards gives the number of shards, or --shard-size"),
        (["--row-group-size", "5"], "row groups are as large as --memory-limit allows"),
        (["--normalize"], "--standardize gives columns mean 0"),
    ],
)
def test_a_word_that_means_something_else_is_answered(tmp_path, file, words, answer):
    result = run("convert", file, "--to", "npy", "-o", tmp_path / "d", *words)
    assert result.exit_code == 2
    flag = words[0].partition("=")[0]
    assert result.stderr.startswith(f"Error: there is no {flag}: ")
    assert answer in result.stderr
    keyword = flag.removeprefix("--").replace("-", "_")
    with pytest.raises(UsageError, match=f"^there is no argument {keyword}: ") as caught:
        convert(file, to="npy", output=tmp_path / "d", **{keyword: "x"})
    assert "--" not in caught.value.message
    assert not (tmp_path / "d").exists()


def test_a_word_counts_only_where_its_option_is():
    result = run("train", "d", "--label", "y", "--sep", ";")
    assert "No such option '--sep'" in result.stderr
    with pytest.raises(TypeError, match="unexpected keyword argument 'sep'"):
        bigdata_cli.train("d", sep=";")
    # Of `inspect` these are options of its own.
    assert {"--memory", "--sample-size"}.isdisjoint(answers_of(options_of_command("inspect")))
    assert "--memory" not in synonyms_of(options_of_command("inspect")).get("--memory-limit", ())


def test_an_option_and_its_synonym_exclude_each_other(file):
    with pytest.raises(UsageError, match="sep and delimiter are the same argument"):
        inspect(file, sep=";", delimiter=";")
    with pytest.raises(UsageError, match="random_seed and seed are the same argument"):
        sample("log", rows=1, random_state=1, random_seed=2)


def test_help_and_suggestions_have_the_own_names_only(file):
    shown = run("convert", "--help").stdout
    assert "--delimiter" in shown
    assert "--sep" not in shown
    said = run("inspect", file, "--separato", ";").stderr
    assert "Did you mean --delimiter or --decimal?" in said
    result = run("convert", file, "--to", "npy", "--n-jobs", "0")
    assert "Invalid value for '-j' / '--jobs'" in result.stderr
