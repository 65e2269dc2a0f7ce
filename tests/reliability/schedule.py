"""Several commands at one output, in an order of their steps that the test decides.

Each command runs in a thread of its own, and stops before every step that changes what is on the
disk or what is known of it. One of them at a time is let go, to its next step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from bigdata_cli.errors import BigdataError
from tests.reliability.zygote import STEPS

_PATIENCE_SECONDS = 60.0


class Command:
    """A function that runs until its next step whenever it is let go.

    Attributes:
        result: What it returned; None until then.
        error: What it raised, where that is an error of a user.
        bug: What else it raised.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BigdataError | None = None
        self.bug: BaseException | None = None
        self.is_done = False
        self._function = function
        self._changed = threading.Condition()
        self._n_waiting = 0
        self._n_allowed = 0
        self._is_free = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.command = self  # type: ignore[attr-defined]
        self._thread.start()
        self._wait()

    def let_go(self) -> None:
        """Let it go to its next step, or to its end."""
        with self._changed:
            self._n_allowed += 1
            self._changed.notify_all()
        self._wait()

    def free(self) -> None:
        """Let it go to its end, and do not wait for it."""
        with self._changed:
            self._is_free = True
            self._changed.notify_all()

    def finish(self) -> None:
        """Let it go to its end."""
        self.free()
        self._thread.join(_PATIENCE_SECONDS)
        assert self.is_done, "a command does not end"

    def step(self) -> None:
        """Stop here until it is let go; called by its threads."""
        with self._changed:
            self._n_waiting += 1
            self._changed.notify_all()
            while not self._n_allowed and not self._is_free:
                self._changed.wait()
            self._n_allowed = max(0, self._n_allowed - 1)
            self._n_waiting -= 1
            self._changed.notify_all()

    def _wait(self) -> None:
        def stands() -> bool:
            return self.is_done or (self._n_waiting > 0 and self._n_allowed == 0)

        with self._changed:
            assert self._changed.wait_for(stands, _PATIENCE_SECONDS), (
                "a command neither stops nor ends"
            )

    def _run(self) -> None:
        try:
            self.result = self._function()
        except BigdataError as error:
            self.error = error
        except BaseException as error:
            self.bug = error
        with self._changed:
            self.is_done = True
            self._changed.notify_all()


@contextmanager
def stepwise() -> Iterator[None]:
    """Commands stop at their steps, in whichever of their threads."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            if name == "fsync":  # by a thread that commands share; and nobody else sees it
                continue
            patch.setattr(owner, name, _stopping(getattr(owner, name)))
        submit = ThreadPoolExecutor.submit

        def submit_for(pool: ThreadPoolExecutor, function: Any, *args: Any, **kwargs: Any) -> Any:
            return submit(pool, _as_part_of(_command(), function), *args, **kwargs)

        patch.setattr(ThreadPoolExecutor, "submit", submit_for)
        yield


def _command() -> Command | None:
    return getattr(threading.current_thread(), "command", None)


def _as_part_of(command: Command | None, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, as the work of a command, in whichever thread of a pool."""

    def run(*args: Any, **kwargs: Any) -> Any:
        thread: Any = threading.current_thread()
        thread.command = command
        return function(*args, **kwargs)

    return run


def _stopping(function: Callable[..., Any]) -> Callable[..., Any]:
    def stopped(*args: Any, **kwargs: Any) -> Any:
        command = _command()
        if command is not None:
            command.step()
        return function(*args, **kwargs)

    return stopped
