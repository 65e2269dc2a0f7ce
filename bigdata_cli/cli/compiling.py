"""Says on a terminal why the first command on a machine takes longer."""

from __future__ import annotations

import logging
from typing import TextIO

_logger = logging.getLogger("bigdata_cli.native")


class _Announcement(logging.Handler):
    """Prints a line at the first function that is compiled, and none afterwards."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        announce_compiling(None)
        line = "Compiling for this processor, once for all commands: some 20 seconds"
        print(line, file=self._stream, flush=True)


def announce_compiling(stream: TextIO | None) -> None:
    """Have it said on `stream` when machine code has to be made; None: no longer."""
    for handler in [one for one in _logger.handlers if isinstance(one, _Announcement)]:
        _logger.removeHandler(handler)
    if stream is not None:
        _logger.setLevel(logging.INFO)
        _logger.addHandler(_Announcement(stream))
