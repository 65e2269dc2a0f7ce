"""What the command line does to its own process: how it takes memory, how many files it opens.

Nothing below `cli` changes a setting of the process: it may be someone's program.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from bigdata_cli.resources.heap import return_freed_memory, reuse_freed_memory

if TYPE_CHECKING:
    from bigdata_cli.resources.budget import MemoryBudget

_SMALL_LIMIT_BYTES = 400_000_000
"""Below it the sample alone may take more of a heap that keeps what is freed than there is."""
_MAX_FILES = 1 << 20
_QUIET_TRACKER = "ignore::UserWarning:multiprocessing.resource_tracker"


def set_up_heap(limit_bytes: int | None) -> None:
    """The heap of a process that only converts, whose memory stays below a limit."""
    # Nothing here multiplies matrices, and the threads for it would spin as NumPy starts them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if limit_bytes is not None and limit_bytes < _SMALL_LIMIT_BYTES:
        return_freed_memory()
    else:
        reuse_freed_memory()


def fit_heap(budget: MemoryBudget) -> None:
    """Have the heap return what is freed where the budget of a conversion counts on that."""
    if budget.returns_memory:
        return_freed_memory()


def quiet_resource_tracker() -> None:
    """Have multiprocessing's resource tracker remove what is left to it without a warning.

    A command that ends at once leaves the semaphores of its workers to this process, which gets the
    options for warnings of the interpreter that starts it.
    """
    if _QUIET_TRACKER not in sys.warnoptions:
        sys.warnoptions.append(_QUIET_TRACKER)


def raise_file_limit() -> None:
    """Let this process have as many files open as the system allows it.

    Some datasets have a file for each column; the soft limit is often 1,024.
    """
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    if soft not in (resource.RLIM_INFINITY, -1) and wanted > soft:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
