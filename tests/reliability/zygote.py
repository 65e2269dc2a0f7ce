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

from bigdata_cli import verify
from bigdata_cli.conversion import commit, journal, ledger, reconcile, rejects
from bigdata_cli.conversion import run as conversion
from bigdata_cli.conversion.builder import ShardBuilder
from bigdata_cli.conversion.estimate import scatter
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.conversion.rows_file import RowsFile
from bigdata_cli.errors import BigdataError
from bigdata_cli.formats.registry import FORMATS
from bigdata_cli.io import lock
from bigdata_cli.sources.csv import detect
from bigdata_cli.sources.csv.source import open_source
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.transforms.options import ShapeOptions

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


def arm(folder: str, *, at: int, log: str, error: int = 0, kind: int = 0) -> None:
    """Have the call of that number fail that changes the folder; see faults.c."""
    ctypes.CDLL(None).faults_arm(folder.encode(), ctypes.c_long(at), error, kind, log.encode())


def convert(request: dict[str, Any]) -> dict[str, Any]:
    """Convert as asked; what became of it."""
    steps = Steps(request.get("die_at"))
    if "die_after_s" in request:
        timer = threading.Timer(request["die_after_s"], os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    if "fault" in request:
        arm(request["options"]["output"], **request["fault"])
    options = {**request["options"], "output": Path(request["options"]["output"])}
    scatter.PART_BYTES = request.get("part_bytes", scatter.PART_BYTES)
    shape = ShapeOptions(seed=options.pop("seed", 0))
    order = OrderOptions(
        shuffle=options.pop("shuffle", False),
        sort_by=tuple(options.pop("sort_by", ())),
        partition_by=tuple(options.pop("partition_by", ())),
    )
    splits = SplitOptions(split=options.pop("split", None))
    said: list[str] = []
    try:
        report = conversion.run(
            request["sources"],
            ConvertOptions(**options, shape=shape, order=order, splits=splits),
            progress=lambda progress: said.append(progress.note or ""),
            unit_bytes=request.get("unit_bytes"),
            sample_bytes=request.get("sample_bytes", 1 << 13),
        )
    except BigdataError as error:
        return {"error": type(error).__name__, "message": str(error), "steps": steps.taken}
    answer = {
        "resumed": report.resumed_shards,
        "said": [note for note in said if note],
        "steps": list(steps.taken),
    }
    if request.get("verify"):
        found = verify(options["output"])
        answer["findings"] = [str(finding) for finding in found.findings]
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


def serve() -> None:
    warm_up()
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
                answer = convert(request)
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
