"""Encodings: given, recognised by a byte order mark, or guessed for a hint; all read as UTF-8."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.io.decompress import ByteStream

UTF8 = "utf-8"
_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NOT_OF_FILES = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
_COMMON = ("cp1252", "gb18030", "latin-1", "shift_jis", "utf-16", "utf-16-le", "utf-32", "utf-8")
_GUESSED_BYTES = 1 << 17
_CANDIDATES = (
    *("cp1252", "iso8859-15", "cp1250", "cp1251", "koi8-r", "shift_jis", "gb18030", "big5"),
    *("euc_kr", "cp1253", "cp1254", "mac_roman", "cp437", "cp850"),
)
_WEIGHTS = {"cp1252": 1.0, "cp1250": 0.98, "cp1251": 0.99, "iso8859-15": 0.95, "koi8-r": 0.97}
_OTHER_WEIGHT = 0.9
"""Of equals the one that more files are written in."""
_NOT_GUESSED = (UTF8, "ascii", "hp-roman8")
"""Files are no longer written in the last one, which makes letters of damaged text."""
_PUNCTUATION = frozenset("‘’‚“”„–—…«» ·")
_SYMBOLS = frozenset("€£¥°§©®™µ±½¼¾²³ºª¡¿×")
_COMMON_LETTERS = frozenset(
    "àáâãäåæçèéêëìíîïñòóôõöøùúûüÀÁÄÅÆÇÈÉÊÍÑÓÖØÚÜßąćęłńśźżĄĆĘŁŃŚŹŻčďěňřšťůžČŘŠŽăşţőűđ"
)
_MARKED = "bigdata-mark"


def check_encoding(encoding: str) -> str:
    """The codec that a name means, as Python calls it; raises UsageError for none.

    >>> check_encoding("UTF8"), check_encoding("latin1"), check_encoding("utf_8_sig")
    ('utf-8', 'iso8859-1', 'utf-8')
    """
    try:
        found = codecs.lookup(encoding)
        decoder = codecs.getincrementaldecoder(encoding)
        is_text = isinstance(decoder().decode(b"", True), str)
    except (LookupError, ValueError, TypeError, UnicodeError) as error:
        raise UsageError(
            f"--encoding {encoding}: there is no such encoding",
            hint=did_you_mean(encoding, _COMMON),
        ) from error
    if not is_text or found.name in _NOT_OF_FILES:
        raise UsageError(f"--encoding {encoding} is not an encoding of text files")
    return UTF8 if found.name == "utf-8-sig" else found.name


def marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark tells, None without one; UTF-8 has no need of its own."""
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)


def check_unmarked(head: bytes, name: str) -> None:
    """Raise DataError for what is UTF-16 or UTF-32 without a mark: every second byte is zero."""
    sample = head[: len(head[:4096]) // 4 * 4]
    zeros = [sample[i::4].count(0) for i in range(4)]
    quarter = len(sample) // 4
    if quarter < 4 or sum(zeros) < 1.6 * quarter:
        return
    wide = sum(n == quarter for n in zeros) >= 2 and sum(n < quarter / 2 for n in zeros) == 1
    first = zeros[0] > zeros[3]
    likely = f"utf-{32 if wide else 16}-{'be' if first else 'le'}"
    if wide or abs(zeros[0] + zeros[2] - zeros[1] - zeros[3]) > 1.2 * quarter:
        raise DataError(
            f"{name} seems to be {likely.upper()}: {sum(zeros):,} of its first {len(sample):,} "
            "bytes are zero",
            hint=f"--encoding {likely} reads it; --encoding utf-8 keeps the zeros",
        )


def likely_encodings(source: Path | bytes, *, most: int = 3) -> list[str]:
    """The encodings that data which are not UTF-8 may have, the likeliest first.

    source: a file, or its first bytes; what is not ASCII is looked for in all of it. Each decodes
    all that was looked at into text that people write.
    """
    sample = _whole_lines(source) if isinstance(source, bytes) else _foreign_lines(source)
    if len(sample) > 1 and sample.count(0) > len(sample) // 8:
        even = sample[::2].count(0) > sample[1::2].count(0)
        return ["utf-16-be" if even else "utf-16-le"]
    candidates = (*_CANDIDATES, *_by_library(sample))
    found = {name: _plausibility(sample, name) for name in dict.fromkeys(candidates)}
    plausible = [name for name, score in found.items() if score > 0]
    # Those of one byte decode anything: of equals the one that comes first is the commonest.
    return sorted(plausible, key=lambda name: -found[name])[:most]


def _whole_lines(data: bytes) -> bytes:
    """Data without a last line that may be cut, and with it a character; all where there is one."""
    return data[: data.rfind(b"\n") + 1] or data


def _by_library(sample: bytes) -> list[str]:
    from charset_normalizer import from_bytes

    found = [match.encoding for match in from_bytes(sample[:_GUESSED_BYTES])]
    names = [codecs.lookup(encoding).name for encoding in found]
    return [name for name in names if name not in _NOT_GUESSED and not name.startswith("utf")]


def _plausibility(sample: bytes, encoding: str) -> float:
    """How much a sample looks like what people write, if it is read so; 0: it does not decode."""
    try:
        text = sample.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return 0.0
    foreign = [character for character in text if ord(character) > 127]
    if not foreign or any(0x80 <= ord(c) < 0xA0 for c in foreign):
        return 0.0
    n_good = 0.0
    for before, character, after in zip("\n" + text, text, text[1:] + "\n", strict=False):
        if ord(character) < 128:
            continue
        n_good += _fitness(before, character, after)
    return n_good / len(foreign) * _WEIGHTS.get(encoding, _OTHER_WEIGHT)


def _fitness(before: str, character: str, after: str) -> float:
    """How well a character that is not ASCII stands where it does, from 0 to 1."""
    if not character.isalpha():
        if character in _PUNCTUATION:
            return 0.9
        near_number = after.isdigit() or before.isdigit()
        return 0.9 if character in _SYMBOLS and (near_number or before in " \n,;\t") else 0.1
    script = _script(character)
    near = [c for c in (before, after) if c.isalpha()]
    if any(_script(c) != script for c in near):
        return 0.0
    if character.isupper() and before.isalpha():
        return 0.1 if before.islower() else 0.5
    if script == "latin":
        return 1.0 if character in _COMMON_LETTERS else 0.7 if ord(character) < 0x180 else 0.2
    return 1.0 if near else 0.5


def _script(character: str) -> str:
    if ord(character) < 0x250:
        return "latin"
    return unicodedata.name(character, "").partition(" ")[0]


def _foreign_lines(path: Path) -> bytes:
    """The lines of a file that are not ASCII, up to some of them, wherever they are."""
    lines: list[bytes] = []
    n_bytes = 0
    kept = b""
    with path.open("rb") as file:
        while (piece := file.read(1 << 22)) and n_bytes <= _GUESSED_BYTES:
            if (kept + piece).isascii():
                kept = b""
                continue
            *whole, kept = (kept + piece).split(b"\n")
            for line in whole:
                if not line.isascii() and n_bytes <= _GUESSED_BYTES:
                    lines.append(line + b"\n")
                    n_bytes += len(line)
    return b"".join([*lines, kept])


def encoding_hint(source: Path | bytes) -> str:
    """What to try where bytes are not UTF-8, as flags to paste."""
    try:
        likely = likely_encodings(source)
    except OSError:
        likely = []
    if not likely:
        return "--encoding NAME reads it, where NAME is what it was written in"
    return " or ".join(f"--encoding {name}" for name in likely) + " may be what it was written in"


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Bytes that do not decode become surrogates, which are no UTF-8: the parser finds them."""
    assert isinstance(error, UnicodeDecodeError)
    return "\udc80" * (error.end - error.start), error.end


codecs.register_error(_MARKED, _mark)


class DecodedStream:
    """Text in any encoding as UTF-8; a `ByteStream`.

    Bytes that do not decode raise DataError with their place; where `strict` is false, they become
    bytes that are not UTF-8, and the first error is kept in `error`.
    """

    def __init__(self, stream: ByteStream, encoding: str, name: str, *, strict: bool) -> None:
        self._stream = stream
        self._encoding = encoding
        self._name = name
        self._strict = strict
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._bytes = 0
        self._line = 1
        self._last = b""
        self._at_end = False
        self.error: DataError | None = None

    @property
    def consumed(self) -> int:
        return self._stream.consumed

    @property
    def strict(self) -> bool:
        return self._strict

    @strict.setter
    def strict(self, strict: bool) -> None:
        if strict and self.error is not None:
            raise self.error
        self._strict = strict

    def read(self, n_bytes: int) -> bytes:
        while not self._at_end:
            data = self._stream.read(n_bytes)
            self._at_end = not data
            decoded = self._decode(data)
            if decoded:
                return decoded
        return b""

    def _decode(self, data: bytes) -> bytes:
        state = self._decoder.getstate()
        try:
            decoded = self._decoder.decode(data, self._at_end).encode(UTF8)
        except UnicodeDecodeError as error:
            self.error = self.error or self._located(data, state, error)
            if self._strict:
                raise self.error from error
            self._decoder.setstate(state)
            self._decoder.errors = _MARKED
            decoded = self._decoder.decode(data, self._at_end).encode(UTF8, "surrogatepass")
            self._decoder.errors = "strict"
        except UnicodeEncodeError as error:  # a codec that lets surrogates through
            raise DataError(
                f"{self._name} line {self._line:,}: {self._encoding} gives half of a surrogate pair"
            ) from error
        self._bytes += len(data)
        self._count_lines(decoded)
        return decoded

    def _count_lines(self, decoded: bytes) -> None:
        # A line ends with LF, or with a CR that no LF follows.
        self._line += decoded.count(b"\n")
        if b"\r" in decoded:
            self._line += decoded.count(b"\r") - decoded.count(b"\r\n")
        self._line -= self._last == b"\r" and decoded[:1] == b"\n"
        self._last = decoded[-1:] or self._last

    def _located(
        self, data: bytes, state: tuple[bytes, int], error: UnicodeDecodeError
    ) -> DataError:
        # What was decoded are the bytes that a call before left over, and these.
        start = error.start - (len(error.object) - len(data))
        counted = self._line, self._last
        self._decoder.setstate(state)
        self._count_lines(self._decoder.decode(data[: max(start, 0)]).encode(UTF8, "surrogatepass"))
        line = self._line
        self._line, self._last = counted
        wrong = error.object[error.start : max(error.end, error.start + 1)][:4]
        shown = " ".join(f"0x{byte:02x}" for byte in wrong)
        return DataError(
            f"{self._name} line {line:,} (byte {self._bytes + start:,}): {shown} is not "
            f"{self._encoding} ({error.reason})",
            hint=encoding_hint(bytes(error.object)),
        )

    def close(self) -> None:
        self._stream.close()
