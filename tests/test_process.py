"""A library call changes nothing of the process that it runs in; the command line may."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bigdata_cli
from bigdata_cli.samples.options import SampleOptions
from bigdata_cli.samples.write import write_sample

STATE = """
import csv, gc, locale, logging, os, resource, signal, sys, threading, warnings
import pyarrow as pa

def state():
    limits = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {
        "csv": csv.field_size_limit(),
        "pool": pa.default_memory_pool().backend_name,
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in limits},
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "locale": locale.setlocale(locale.LC_ALL),
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook),
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "recursion": (sys.getrecursionlimit(), sys.getswitchinterval()),
        "arrow threads": (pa.cpu_count(), pa.io_thread_count()),
        "logging": {n: logging.getLogger(n).level for n in (None, "charset_normalizer")},
        "folder": os.getcwd(),
    }
"""
CALLS = {
    "convert": "convert(SOURCE, to='parquet', output='out', memory_limit='400MB', jobs=1)",
    "convert wide": "convert(WIDE, to='npy', output='wide', on_bad_row='skip')",
    "inspect": "inspect(SOURCE, full=True)",
    "inspect foreign": "inspect(FOREIGN)",
    "read and verify": "open_dataset('out').read(), verify('out', source=SOURCE)",
    "verify rejects": "verify('wide', source=WIDE)",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("process")
    with (folder / "a.csv").open("wb") as stream:
        write_sample(SampleOptions(kind="messy", n_rows=3_000), stream)
    names = ",".join(f"c{i}" for i in range(600))
    row = ",".join(map(str, range(600)))
    (folder / "wide.csv").write_text(f"{names}\n{row}\n{row},one too many\n{row}\n")
    (folder / "foreign.csv").write_bytes("name,n\nJosé,1\nZoë,2\n".encode("cp1252"))
    return folder


def test_library_calls_change_nothing_of_the_process(files: Path) -> None:
    lines = [
        STATE,
        "from bigdata_cli import convert, inspect, open_dataset, verify",
        "from bigdata_cli.errors import BigdataError",
        "SOURCE, WIDE, FOREIGN = 'a.csv', 'wide.csv', 'foreign.csv'",
        "before, failed = state(), []",
    ]
    for name, call in CALLS.items():
        lines += [
            f"try: {call}",
            f"except BigdataError as error: failed.append(({name!r}, str(error)))",
            "after = state()",
            "changed = {k: (before[k], after[k]) for k in before if after[k] != before[k]}",
            f"assert not changed, ({name!r}, changed)",
        ]
    lines.append("assert [name for name, _ in failed] == ['inspect foreign'], failed")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=files, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()


def test_settings_of_the_process_are_named_where_it_is_ours_alone() -> None:
    settings = re.compile(
        r"mallopt|set_memory_pool|setrlimit|field_size_limit\(.+\)|signal\.signal|setlocale\(|"
        r"set_cpu_count|simplefilter|filterwarnings|gc\.(disable|freeze)|os\.umask|os\.chdir"
    )
    package = Path(bigdata_cli.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if settings.search(path.read_text(encoding="utf-8"))
    }
    of_own_processes = {"engines/processes.py", "resources/heap.py"}
    found.discard("resources/progress.py")  # within catch_warnings
    assert {name for name in found if not name.startswith("cli/")} == of_own_processes


def test_the_command_line_may_open_more_files_than_the_soft_limit(files: Path) -> None:
    """A file for each of 600 columns."""
    bigdata = [sys.executable, "-m", "bigdata_cli"]
    words = ["convert", "wide.csv", "--to", "npy", "--on-bad-row", "skip", "-o", "n", "--quiet"]
    subprocess.run([*bigdata, *words], cwd=files, check=True)
    few = ["sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh"]
    again = ["convert", "n", "--to", "parquet", "-o", "p", "--quiet"]
    subprocess.run([*few, *bigdata, *again], cwd=files, check=True)
    code = "from bigdata_cli import convert; convert('n', to='parquet', output='q')"
    done = subprocess.run(
        [*few, sys.executable, "-c", code], cwd=files, capture_output=True, text=True, check=False
    )
    assert "more files open at a time than this system allows" in done.stderr


ONE_HEAP = """
import atexit, ctypes
from bigdata_cli.cli import main

atexit.register(ctypes.CDLL(None).malloc_stats)
main(["convert", "a.csv", "--to", "parquet", "--output", "one-heap", "--quiet", "--jobs", "2"])
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_the_threads_of_a_conversion_share_one_heap(files: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", ONE_HEAP], cwd=files, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert re.findall(r"^Arena \d+", run.stderr, re.M) == ["Arena 0"]
