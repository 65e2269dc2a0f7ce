"""Ctrl-C and SIGTERM: the first ends a command in order, the second, or delay, at once."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, NoReturn, Self

INTERRUPTED = 130
SECONDS_TO_END = 1.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Turns signals into KeyboardInterrupt, and sees to it that this ends the process; a context.

    Python acts on a signal between two of its own instructions, and a command ends when its threads
    have: a library that compiles or a slow disk may take long. So a thread of its own receives
    the signals too, and ends the process at once where one comes again or SECONDS_TO_END are over,
    with `last_words` on stderr. What is on the disk can be left as it is at any time.
    """

    def __init__(self, last_words: str) -> None:
        self._last_words = last_words
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1
        self._hook_before = sys.unraisablehook
        self._read = self._write = -1
        self._was_interrupted = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._read, self._write = os.pipe()
            os.set_blocking(self._write, False)
            self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
            self._before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
            self._hook_before, sys.unraisablehook = sys.unraisablehook, self._unraisable
            threading.Thread(target=self._watch, name="interrupts", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._before or self._was_interrupted:
            return  # the process is about to end, and is watched until then
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        sys.unraisablehook = self._hook_before
        os.close(self._write)

    def _watch(self) -> None:
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._read], [], [], left)[0]:
                self._leave(self._last_words)
            signals = os.read(self._read, 64)
            if not signals:
                os.close(self._read)
                return
            for _ in [number for number in signals if number in _SIGNALS]:
                if self._was_interrupted:
                    self._leave("")
                self._was_interrupted = True
                deadline = time.monotonic() + SECONDS_TO_END

    def _unraisable(self, ignored: sys.UnraisableHookArgs) -> None:
        """Python has to ignore an interrupt that comes within a callback or a finalizer."""
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            self._leave(self._last_words)
        self._hook_before(ignored)

    def _leave(self, words: str) -> NoReturn:
        try:
            os.write(2, f"\n{words}".encode())
        finally:
            os._exit(INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
