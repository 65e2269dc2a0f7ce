"""Records a terminal session as a picture: `python -m docs.make_recording` writes recording.svg.

The commands really run, in a terminal of 80 columns; nothing of what they print is changed.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

PICTURE = Path(__file__).with_name("recording.svg")
COLUMNS, LINES = 80, 60
SAMPLE = "bigdata sample transactions --size 400MB -o payments.csv"
COMMANDS = (
    "bigdata convert payments.csv --to parquet --label isFraud --memory-limit 512MB",
    "bigdata verify payments-parquet --source payments.csv",
    "bigdata head payments-parquet -n 3 --columns step,type,amount,isFraud",
)
_ERASED = re.compile(r"[^\n]*\r(?=[^\n])")
"""What a carriage return goes back over: a bar before it moved."""
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
  .{unique_id}-matrix {{
    font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
    font-size: {char_height}px; line-height: {line_height}px; white-space: pre;
  }}
  {styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
  {backgrounds}
  <g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def record(command: str, folder: Path) -> str:
    """What a terminal shows of a command, with its colours."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": str(LINES), "TERM": "xterm"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.chdir(folder)
        os.execvpe("bash", ["bash", "-c", command], environment)  # noqa: S606, S607 - our own
    pieces = []
    while True:
        select.select([terminal], [], [])
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        pieces.append(piece)
    _, status = os.waitpid(process, 0)
    shown = b"".join(pieces).decode().replace("\r\n", "\n")
    if status:
        raise SystemExit(f"{command}\n{shown}")
    return _ERASED.sub("", shown)


def main() -> None:
    """Write the picture."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        command = ["bash", "-c", SAMPLE]
        subprocess.run(command, cwd=folder, env=environment, check=True)  # noqa: S603
        for command in COMMANDS:
            time.sleep(0.5)
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")), soft_wrap=True)
            console.print(Text.from_ansi(record(command, folder).rstrip("\n")))
            console.print()
    svg = console.export_svg(title="bigdata", code_format=_FORMAT, unique_id="bigdata")
    PICTURE.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
