"""What goes wrong between here and a server: what passes is tried again, the rest is an OSError.

The text of such an OSError has nothing of an address that it does not show.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from typing import TypeVar

from bigdata_cli.errors import BigdataError
from bigdata_cli.url import Url

MAX_ATTEMPTS = 8
"""In a row without a byte; some 25 seconds."""
FIRST_ATTEMPTS = 5
"""Where nothing is known of an address yet; some three seconds."""
_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 0.2, 8.0
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_DENIED_STATUS = frozenset({401, 403, 407})
_MISSING_STATUS = frozenset({404, 410})
_TRANSIENT_CODES = frozenset(
    {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"}
)
_CREDENTIALS = {
    "ExpiredToken": "the credentials have expired",
    "TokenRefreshRequired": "the credentials have expired",
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret key is not that of the access key",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
}
_OURS = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ESTALE, errno.EOPNOTSUPP)
_Result = TypeVar("_Result")


class Transient(OSError):
    """An error of a server or of the way to it that may be gone the next time."""


def retried(call: Callable[[], _Result], url: Url, *, attempts: int = MAX_ATTEMPTS) -> _Result:
    """What a call returns; it is tried again while what goes wrong may pass.

    Raises OSError with a text that can be shown: FileNotFoundError, PermissionError, or another.
    """
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except (BigdataError, MemoryError):
            raise
        except Exception as raised:
            error = as_os_error(raised, url)
            if not isinstance(error, Transient) or attempt == attempts:
                raise error from (None if url.has_secrets else raised)
            wait(attempt)
    raise AssertionError("there is at least one attempt")


def wait(attempt: int) -> None:
    """Wait before the next attempt: twice as long as before, less up to a half by chance."""
    longest = min(_MAX_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    time.sleep(longest * random.uniform(0.5, 1.0))


def as_os_error(error: BaseException, url: Url) -> OSError:
    """An error of whatever library as an OSError that says what is wrong."""
    if isinstance(error, Transient):
        return error
    chain = _chain(error)
    code = next((code for one in chain if (code := _code(one))), "")
    status = next((status for one in chain if (status := _status(one))), 0)
    if code in _CREDENTIALS:
        return PermissionError(errno.EACCES, _CREDENTIALS[code])
    if code == "NoSuchBucket":
        return FileNotFoundError(errno.ENOENT, "there is no such bucket")
    if any(type(one).__name__ == "NoCredentialsError" for one in chain):
        return PermissionError(errno.EACCES, "no credentials were found for it")
    if code in _TRANSIENT_CODES or status in _TRANSIENT_STATUS:
        return Transient(errno.EIO, f"the server answers {code or status}")
    if status in _DENIED_STATUS or (not status and _is(chain, PermissionError)):
        return PermissionError(errno.EACCES, f"the server does not allow it ({code or status})")
    if status in _MISSING_STATUS or (not status and _is(chain, FileNotFoundError)):
        return FileNotFoundError(errno.ENOENT, "it does not exist")
    if status:
        return OSError(errno.EIO, f"the server answers {code or status}")
    if isinstance(error, OSError) and error.errno in _OURS:
        return error
    if _may_pass(chain):
        return Transient(errno.EIO, _text(chain[-1], url))
    return OSError(errno.EIO, _text(error, url))


def _chain(error: BaseException) -> list[BaseException]:
    """An error, and those that it came of."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _is(chain: list[BaseException], kind: type[BaseException]) -> bool:
    return any(isinstance(one, kind) for one in chain)


def _code(error: BaseException) -> str:
    """The code of an error of S3."""
    response = getattr(error, "response", None)
    found = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
    return "" if str(found).isdigit() else str(found)


def _status(error: BaseException) -> int:
    """The status of an answer by HTTP; 0 where the error is no answer."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    for owner, name in ((error, "status"), (error, "code"), (response, "status_code")):
        found = getattr(owner, name, None)
        is_answer = type(owner).__module__ != "aiohttp.http_exceptions"  # theirs are made up
        if is_answer and isinstance(found, int) and 100 <= found < 600:
            return found
    return 0


def _may_pass(chain: list[BaseException]) -> bool:
    """Whether it is an error of the network, or of an answer that ended too early."""
    for one in chain:
        module = type(one).__module__.partition(".")[0]
        if module in ("aiohttp", "botocore", "aiobotocore", "requests", "urllib3", "httpx"):
            return True
        if isinstance(one, TimeoutError | ConnectionError | EOFError):
            return True
        if isinstance(one, OSError) and one.errno in (errno.EIO, errno.EBUSY, errno.ETIMEDOUT):
            return True
    return False


def _text(error: BaseException, url: Url) -> str:
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return "the server does not answer in time"
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    text = text or type(error).__name__
    return url.scrubbed(text)[:300]
