"""A process that has loaded everything and forks a child for each conversion it is asked for.

A child costs milliseconds, and may be killed anywhere. Requests and answers are lines of JSON on
stdin and stdout. Where a child dies is said by a step: the n-th call of one of the functions that
change what is on the disk or what is known. They are wrapped here, in the child only.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

from bigdata_cli import open_dataset, verify
from bigdata_cli.conversion import clean, commit, job_array, journal, ledger, reconcile, rejects
from bigdata_cli.conversion import run as conversion
from bigdata_cli.conversion.builder import ShardBuilder
from bigdata_cli.conversion.clean import CleanReport
from bigdata_cli.conversion.commit_options import CommitOptions
from bigdata_cli.conversion.estimate import scatter
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.report import ConvertReport
from bigdata_cli.conversion.rows_file import RowsFile
from bigdata_cli.errors import BigdataError
from bigdata_cli.formats.registry import FORMATS
from bigdata_cli.io import lock
from bigdata_cli.native import library
from bigdata_cli.options import options_of, request_of
from bigdata_cli.sources.csv import detect
from bigdata_cli.sources.csv.source import open_source


def arm_allocation(at: int) -> None:
    """Have the allocation of that number fail that the C library asks for; 0 only counts."""
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    path = str(library.lib._name)
    code = next(line[0] for line in lines if line[-1] == path and "x" in line[1])
    begin, end = (ctypes.c_void_p(int(part, 16)) for part in code.split("-"))
    ctypes.CDLL(None).faults_arm_allocations(begin, end, ctypes.c_long(at))


STEPS: list[tuple[Any, str]] = [
    (os, "fsync"),
    (os, "replace"),
    (Path, "unlink"),
    (Path, "mkdir"),
    (journal.Journal, "append"),
    (journal.Journal, "_write"),
    (ledger.Ledger, "_accept"),
    (ledger.Ledger, "replace_result"),
    (lock.FolderLock, "acquire"),
    (lock.FolderLock, "release"),
    (commit.OutputFolder, "discard"),
    (commit.OutputFolder, "commit"),
    (commit.OutputFolder, "_remove_replaced"),
    (rejects.RejectsWriter, "append"),
    (ShardBuilder, "take"),
    (ShardBuilder, "finish"),
    (ShardBuilder, "abort"),
    (RowsFile, "append"),
    (RowsFile, "finish"),
    (reconcile, "recount"),
    (reconcile, "rewrite"),
    (reconcile, "rewrite_headers"),
]


class Steps:
    """Counts the calls of `STEPS`, before and after each, and dies at one of them."""

    def __init__(self, die_at: int | str | None) -> None:
        self.die_at = die_at
        self.taken: list[str] = []
        self._lock = threading.Lock()
        for owner, name in STEPS:
            setattr(owner, name, self._wrapped(getattr(owner, name), name))

    def _wrapped(self, function: Any, name: str) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._take(f"before {name}")
            result = function(*args, **kwargs)
            self._take(f"after {name}")
            return result

        return counted

    def _take(self, step: str) -> None:
        with self._lock:
            self.taken.append(step)
            if self.die_at in (len(self.taken), step):
                os.kill(os.getpid(), signal.SIGKILL)


def arm(folder: str, *, at: int, log: str, error: int = 0, kind: int = 0, record: str = "") -> None:
    """Have the call of that number fail that changes the folder; see faults.c."""
    library = ctypes.CDLL(None)
    library.faults_arm(folder.encode(), ctypes.c_long(at), error, kind, log.encode())
    if record:
        library.faults_record(record.encode())


def convert(request: dict[str, Any], said: list[str]) -> ConvertReport:
    """One conversion; said: for the notes of its progress."""
    unknown = request["options"].keys() - {one.argument for one in options_of(ConvertOptions)}
    assert not unknown, unknown
    return conversion.run(
        request["sources"],
        request_of(ConvertOptions, request["options"]),
        progress=lambda progress: said.append(progress.note) if progress.note else None,
        **sizes_of(request),
    )


def sizes_of(request: dict[str, Any]) -> dict[str, int]:
    """How much is read at once, and for the guess."""
    found = {"sample_bytes": request.get("sample_bytes", 1 << 13)}
    return found | ({"unit_bytes": request["unit_bytes"]} if "unit_bytes" in request else {})


def convert_in_tasks(request: dict[str, Any], said: list[str]) -> ConvertReport:
    """The two tasks of a job array, and what makes a dataset of them."""
    for task in ("1/2", "2/2"):
        convert({**request, "options": {**request["options"], "task": task}}, said)
    output = Path(request["options"]["output"])
    return job_array.commit(output, CommitOptions(jobs=2, here=True), **sizes_of(request))


def clean_up(request: dict[str, Any], said: list[str]) -> CleanReport:
    """Remove what is left of a conversion."""
    return clean.run(request["options"]["output"])


def look(request: dict[str, Any], said: list[str]) -> None:
    """Nothing: what is there is only verified."""


ACTIONS = {"convert": convert, "tasks": convert_in_tasks, "clean": clean_up, "look": look}


def answer_to(request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; what became of it."""
    steps = Steps(request.get("die_at"))
    if "die_after_s" in request:
        timer = threading.Timer(request["die_after_s"], os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    if "fault" in request:
        arm(request["options"]["output"], **request["fault"])
    scatter.PART_BYTES = request.get("part_bytes", scatter.PART_BYTES)
    if "allocation" in request:
        arm_allocation(request["allocation"])
    said: list[str] = []
    try:
        report = ACTIONS[request.get("action", "convert")](request, said)
    except BigdataError as error:
        return {"error": type(error).__name__, "message": str(error), "steps": steps.taken}
    answer = {
        "resumed": getattr(report, "resumed_shards", None),
        "said": said,
        "steps": list(steps.taken),
    }
    if "allocation" in request:
        answer["allocations"] = ctypes.CDLL(None).faults_allocations()
    if request.get("verify") and request.get("action") != "clean":
        found = verify(request["options"]["output"])
        answer["findings"] = [str(finding) for finding in found.findings]
        shards = open_dataset(request["options"]["output"]).shards
        answer["files"] = [[one.name, one.checksum] for shard in shards for one in shard.files]
    return answer


def warm_up() -> None:
    """Convert something in this process, so that its children have all that is compiled."""
    rows = "".join(f'{i},0.{i},a,2024-01-01,"text {i}"\n' for i in range(300))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "a.csv")
        source.write_text("id,price,kind,when,text\n" + rows + "1,2\n")
        for to in FORMATS:
            options = ConvertOptions(to=to, output=Path(folder, to), jobs=1, on_bad_row="skip")
            conversion.run([str(source)], options, unit_bytes=1 << 12)
            assert verify(Path(folder, to)).passed


def warm_up_for_s3() -> None:
    """Import what talks to S3, and do not wait long: the server is on this machine."""
    import s3fs  # noqa: F401

    from bigdata_cli.io.remote import faults, filesystems

    faults._FIRST_WAIT_SECONDS = 0.001
    filesystems.IDLE_SECONDS = 1.0


def serve() -> None:
    warm_up()
    if "AWS_ENDPOINT_URL" in os.environ:
        warm_up_for_s3()
    detect._clever = functools.cache(detect._clever)  # type: ignore[assignment]
    for line in sys.stdin:
        request = json.loads(line)
        with contextlib.suppress(BigdataError):
            open_source(request["sources"])  # what it detects, its children need not
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(read)
            try:
                answer = answer_to(request)
            except BaseException:
                answer = {"bug": traceback.format_exc()}
            with os.fdopen(write, "w") as pipe:
                json.dump(answer, pipe)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            text = pipe.read()
        _, status = os.waitpid(pid, 0)
        answer = json.loads(text) if text else {}
        print(json.dumps({**answer, "status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    serve()
