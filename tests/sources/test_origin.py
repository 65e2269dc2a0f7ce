"""Where bytes come from: what they are is told by what they are, and they are whole or an error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import threading
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.registry import magics
from bigdata_cli.io.decompress import Cancelled, compression_of
from bigdata_cli.io.encoding import DecodedStream, check_encoding, likely_encodings
from bigdata_cli.io.origin import find_origin

try:
    from compression import zstd
except ImportError:
    from backports import zstd

TEXT = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(30_000))
HEAD = 1 << 18


def bgzip(data: bytes) -> bytes:
    """Blocks with their sizes in an extra field, and an empty one, as bgzip writes them."""
    out = b""
    for start in [*range(0, len(data), 65_280), len(data)]:
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        part = data[start : start + 65_280]
        body = deflate.compress(part) + deflate.flush()
        out += struct.pack("<4BI2BH", 31, 139, 8, 4, 0, 0, 255, 6)
        out += b"BC" + struct.pack("<2H", 2, len(body) + 25)
        out += body + struct.pack("<2I", zlib.crc32(part), len(part))
    return out


HALF = len(TEXT) // 2
SKIPPED = struct.pack("<2I", 0x184D2A53, 5) + b"extra"
COMPRESSED = {
    "gzip": gzip.compress(TEXT),
    "gzip with a name": gzip.compress(b"") + gzip.compress(TEXT),
    "gzip of two members": gzip.compress(TEXT[:HALF]) + gzip.compress(TEXT[HALF:]),
    "gzip with zeros after it": gzip.compress(TEXT) + bytes(70_000),
    "bgzip": bgzip(TEXT),
    "bzip2": bz2.compress(TEXT),
    "bzip2 of two members": bz2.compress(TEXT[:HALF]) + bz2.compress(TEXT[HALF:]),
    "xz": lzma.compress(TEXT),
    "xz of two streams": lzma.compress(TEXT[:HALF]) + bytes(8) + lzma.compress(TEXT[HALF:]),
    "zstd": zstd.compress(TEXT),
    "zstd of two frames": zstd.compress(TEXT[:HALF]) + SKIPPED + zstd.compress(TEXT[HALF:]),
    "zstd that begins with a frame to skip": SKIPPED + zstd.compress(TEXT),
    "gzip in gzip": gzip.compress(gzip.compress(TEXT)),
}


def read_all(path, encoding=None, n_bytes=100_000) -> bytes:
    origin, head = find_origin(str(path), encoding, HEAD, tables=magics())
    stream = origin.open()
    parts = []
    while part := stream.read(n_bytes):
        assert len(part) <= 8 * n_bytes
        parts.append(part)
    assert stream.read(10) == b""
    stream.close()
    whole = b"".join(parts)
    assert head == whole[:HEAD]
    assert origin.head(1000)[0] == whole[:1000]
    assert not parts or stream.consumed <= origin.size or origin.held
    return whole


@pytest.mark.parametrize("kind", COMPRESSED)
def test_compressed_data_are_told_by_what_they_are(tmp_path, kind):
    path = tmp_path / "data.csv"
    path.write_bytes(COMPRESSED[kind])
    origin, _ = find_origin(str(path), None, HEAD)
    assert origin.layers[0] == kind.split(maxsplit=1)[0].replace("bgzip", "gzip")
    assert origin.is_stream
    assert read_all(path) == TEXT
    assert read_all(path, n_bytes=997) == TEXT


@pytest.mark.parametrize("kind", COMPRESSED)
def test_data_that_end_too_early_are_an_error(tmp_path, kind):
    path = tmp_path / "data.csv"
    whole = COMPRESSED[kind].rstrip(b"\0") if "zeros" in kind else COMPRESSED[kind]
    for cut in (1, 9, len(whole) // 3):
        if kind == "bgzip" and cut == 1:
            cut = 29  # the empty block, and a byte of the one before
        path.write_bytes(whole[:-cut])
        with pytest.raises(
            DataError, match=r"data\.csv: the .* data end in the middle, after"
        ) as e:
            read_all(path)
        assert "decompressed data" in e.value.message
        assert e.value.hint


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_damaged_data_are_an_error(tmp_path, kind):
    path = tmp_path / "data.csv"
    data = bytearray(COMPRESSED[kind] if kind != "zstd" else _zstd_with_checksum())
    data[len(data) // 2] ^= 0x5A
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"the {kind} data are damaged: .*, after [0-9,]+ bytes"):
        read_all(path)


def _zstd_with_checksum() -> bytes:
    return zstd.compress(TEXT, options={zstd.CompressionParameter.checksum_flag: 1})


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
@pytest.mark.parametrize("garbage", [b"garbage", b"x", b"\0" * 7 + b"x"])
def test_what_follows_compressed_data_is_an_error(tmp_path, kind, garbage):
    path = tmp_path / "data.csv"
    path.write_bytes(COMPRESSED[kind] + garbage)
    with pytest.raises(DataError, match=f"followed by something else, after {len(TEXT):,} bytes"):
        read_all(path)


@given(st.binary(max_size=40))
def test_any_bytes_have_a_compression_or_none(data):
    assert compression_of(data) in (None, "gzip", "bzip2", "xz", "zstd")


@given(st.sampled_from(["gzip", "bzip2", "xz", "zstd"]), st.data())
def test_mutated_data_are_the_text_or_an_error(tmp_path_factory, kind, data):
    """CRCs and checksums: what is read is what was written, or it is said that it is not."""
    path = tmp_path_factory.mktemp("mutated") / "data.csv"
    text = TEXT[:3000]
    make = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
    if kind == "zstd":
        whole = bytearray(zstd.compress(text, options={zstd.CompressionParameter.checksum_flag: 1}))
    else:
        whole = bytearray(make[kind](text))
    place = data.draw(st.integers(12, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    try:
        assert read_all(path) == text
    except DataError as error:
        assert "data.csv" in error.message  # noqa: PT017


# Archives.


def make_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.mark.parametrize("method", METHODS)
def test_the_only_file_of_an_archive(tmp_path, method):
    members = {"folder/": b"", "folder/train.csv": TEXT, "__MACOSX/folder/._train.csv": b"\0\5",
               "folder/.DS_Store": b"\0"}  # fmt: skip
    path = make_zip(tmp_path / "archive.zip", members, compression=method)
    assert read_all(path) == TEXT
    origin, _ = find_origin(str(path), None, HEAD)
    assert origin.member == "folder/train.csv"
    assert origin.stem == "archive"
    named, _ = find_origin(f"{path}::folder/train.csv", None, HEAD)
    assert named.stem == "train"
    assert named.size == (len(TEXT) if method == zipfile.ZIP_STORED else named.size)


def test_which_file_of_an_archive(tmp_path):
    path = make_zip(
        tmp_path / "archive.zip",
        {"train.csv": b"a\n1\n", "test.csv": b"a\n2\n", "read me.txt": b"text\n"},
    )
    with pytest.raises(UsageError, match="holds 2 files; name one of them") as e:
        read_all(path)
    assert f"'{path}::train.csv', '{path}::test.csv'" in str(e.value)
    assert read_all(f"{path}::test.csv") == b"a\n2\n"
    assert read_all(f"{path}::read me.txt") == b"text\n"
    with pytest.raises(UsageError, match=r"no member trian\.csv") as e:
        read_all(f"{path}::trian.csv")
    assert 'Did you mean "train.csv"?' in str(e.value)
    one = make_zip(tmp_path / "one.zip", {"x.CSV": b"a\n1\n", "README": b"-", "b.txt": b"-"})
    assert read_all(one) == b"a\n1\n"
    with pytest.raises(UsageError, match="holds no files"):
        read_all(make_zip(tmp_path / "none.zip", {"folder/": b""}))


def test_a_file_that_is_called_like_a_member_is_itself(tmp_path):
    make_zip(tmp_path / "a.zip", {"b": b"a\n1\n"})
    literal = tmp_path / "a.zip::b"
    assert read_all(literal) == b"a\n1\n"
    literal.write_bytes(b"x\n9\n")
    assert read_all(literal) == b"x\n9\n"
    with pytest.raises(UsageError, match="does not exist"):
        read_all(tmp_path / "c.zip::b")


def test_what_is_packed_twice(tmp_path):
    path = make_zip(tmp_path / "archive.zip", {"train.csv.gz": gzip.compress(TEXT)})
    origin, _ = find_origin(f"{path}::train.csv.gz", None, HEAD)
    assert (origin.layers, origin.stem) == (("gzip",), "train")
    assert read_all(path) == TEXT


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_archive(tmp_path, method):
    path = make_zip(tmp_path / "archive.zip", {"train.csv": TEXT}, compression=method)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0x11
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="damaged"):
        read_all(path)
    path.write_bytes(whole[:-10])
    with pytest.raises(DataError, match="zip archive is damaged or truncated"):
        read_all(path)


def test_an_encrypted_archive(tmp_path):
    path = make_zip(tmp_path / "archive.zip", {"train.csv": b"a\n1\n"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"train\.csv is encrypted"):
        read_all(path)


@pytest.mark.parametrize(
    ("data", "what"),
    [(b"PAR1" + bytes(20), "is parquet"), (b"\x89HDF\r\n", "is hdf5"),
     (b"ARROW1\0\0", "is arrow, not text"), (b"\x93NUMPY\1\0", "is npy"),
     (b"Rar!\x1a\x07\0", "rar"), (b"SQLite format 3\0" + bytes(90), "is an SQLite database"),
     (b"ORC\x11", "is an ORC file"), (b"FEA1\0\0", r"is a Feather file \(version 1\)"),
     (b"Obj\x01\4", "is an Avro file"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook"),
     (b"\x89PNG\r\n\x1a\n\0", "is a PNG image"), (b"\xff\xd8\xff\xe0", "is a JPEG image"),
     (b"%PDF-1.7\n%\xe2", "is a PDF document"), (pickle.dumps({"a": [1]}), "is a Python pickle"),
     (b"\x7fELF\2", "is a program"), (b"x,y\n" + bytes(range(256)), "is binary data, not text"),
     (bytes(5000), "is binary data, not text: 4,096 of its first 4,096 bytes"),
     (b"\x04\x22\x4d\x18rest", "lz4"), (b"x" * 257 + b"ustar" + bytes(300), "is a tar archive"),
     (b"", "is empty"), (b"\n \n", "is empty")],
    ids=lambda value: value if isinstance(value, str) else "data",
)  # fmt: skip
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_is_no_text(tmp_path, data, what, pack):
    path = tmp_path / "data.csv"
    path.write_bytes(pack(data))
    with pytest.raises(DataError, match=what):
        read_all(path)
    office = make_zip(tmp_path / "book.xlsx", {"[Content_Types].xml": b"", "xl/sheet1.xml": b""})
    with pytest.raises(DataError, match="is an Office document"):
        read_all(office)


def test_names(tmp_path):
    for name, stem in (("trips.csv.gz", "trips"), ("trips.v2.csv", "trips.v2"), ("x.gz", "x"),
                       ("tab.TSV.BZ2", "tab")):  # fmt: skip
        path = tmp_path / name
        text = b"a\n1\n"
        kind = name.lower().rpartition(".")[2]
        path.write_bytes({"gz": gzip.compress, "bz2": bz2.compress}.get(kind, bytes)(text))
        assert find_origin(str(path), None, HEAD)[0].stem == stem
    plain = tmp_path / "named.csv.gz"
    plain.write_bytes(b"a\n1\n")
    origin, _ = find_origin(str(plain), None, HEAD)
    assert not origin.is_stream


# Pipes.


def test_a_pipe_is_read_once_from_its_start(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(TEXT),))
    writer.start()
    origin, head = find_origin(str(pipe), None, 1000)
    assert head == TEXT[:1000]
    assert origin.head(5000) == (TEXT[:5000], 0)
    stream = origin.open()
    assert b"".join(iter(lambda: stream.read(4096), b"")) == TEXT
    stream.close()
    writer.join()
    assert origin.stem == "pipe"


def test_waiting_for_a_pipe_can_be_ended():
    reading, writing = os.pipe()
    os.write(writing, b"a\n1\n")
    stop = threading.Event()
    from bigdata_cli.io.streams import PipeStream

    stream = PipeStream(reading, "pipe")
    stream.stop = stop
    assert stream.read(100) == b"a\n1\n"
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Cancelled):
        stream.read(100)
    stream.close()
    os.close(writing)


# Encodings.

SAMPLES = {
    "cp1252": "naïve;“Zürich”;€5\r\n",
    "latin-1": "ÿüéà\n",
    "utf-16": "naïve,😀,中\n",
    "utf-16-be": "a,😀\n",
    "utf-32": "a,😀\r",
    "shift_jis": "日本語,テスト\n",
    "gb18030": "中文,㐀,😀\n",
    "euc-kr": "한국어\n",
    "iso2022_jp": "日本,x\n",
    "utf-7": "a,é+,😀\n",
    "cp037": "ABC,1\n",
    "big5": "中文\n",
    "ascii": "plain\n",
}


@pytest.mark.parametrize("encoding", SAMPLES)
@pytest.mark.parametrize("n_bytes", [1, 7, 100_000])
def test_every_codec_gives_utf8(tmp_path, encoding, n_bytes):
    text = SAMPLES[encoding] * 50
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode(encoding))
    assert read_all(path, encoding, n_bytes).decode() == text
    path.write_bytes(gzip.compress(text.encode(encoding)))
    assert read_all(path, encoding, n_bytes).decode() == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_byte_order_mark_tells(tmp_path, encoding):
    path = tmp_path / "data.csv"
    path.write_bytes("\ufeffid,name\n1,Zoë\n".encode(encoding))
    origin, head = find_origin(str(path), None, HEAD)
    assert head.decode() == "id,name\n1,Zoë\n"
    assert origin.encoding == encoding[:6]
    path.write_bytes("id,name\n1,Zoe\n2,Anna\n".encode(encoding))
    with pytest.raises(DataError, match=f"seems to be {encoding.upper()}") as caught:
        find_origin(str(path), None, HEAD)
    assert f"--encoding {encoding}" in str(caught.value)
    assert find_origin(str(path), encoding, HEAD)[1].decode() == "id,name\n1,Zoe\n2,Anna\n"


class Pieces:
    """A stream that comes in pieces of any size."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.file = io.BytesIO(data)
        self.sizes = sizes
        self.consumed = 0

    def read(self, n_bytes: int) -> bytes:
        return self.file.read(self.sizes.pop(0) if self.sizes else n_bytes)

    def close(self) -> None:
        pass


@given(
    st.sampled_from(["cp1252", "shift_jis", "gb18030", "utf-16-le", "utf-16-be", "ascii", "utf-8"]),
    st.text(max_size=40),
    st.binary(max_size=6),
    st.lists(st.integers(1, 9)),
)
def test_a_byte_that_does_not_decode_is_located(encoding, text, wrong, sizes):
    data = text.encode(encoding, "ignore") + wrong + "\nend\n".encode(encoding)
    stream = DecodedStream(Pieces(data, list(sizes)), encoding, "data.csv", strict=True)
    try:
        expected = data.decode(encoding)
    except UnicodeDecodeError as error:
        lines = data[: error.start].decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        with pytest.raises(DataError) as caught:
            b"".join(iter(lambda: stream.read(5), b""))
        place = f"data.csv line {lines.count(chr(10)) + 1} (byte {error.start}): "
        if not lines.endswith("\n") or data[: error.start].decode(encoding)[-1] == "\n":
            assert caught.value.message.startswith(place)
        lenient = DecodedStream(Pieces(data, list(sizes)), encoding, "data.csv", strict=False)
        marked = b"".join(iter(lambda: lenient.read(5), b""))
        assert lenient.error is not None
        assert lenient.error.message == caught.value.message
        with pytest.raises(UnicodeDecodeError):
            marked.decode("utf-8")
    else:
        assert b"".join(iter(lambda: stream.read(5), b"")).decode() == expected


def test_encodings_that_there_are_not():
    for name, what in (("utf9", "there is no such encoding"), ("base64", "not an encoding of text"),
                       ("idna", "not an encoding"), ("rot13", "no")):  # fmt: skip
        with pytest.raises(UsageError, match=what):
            check_encoding(name)


def test_likely_encodings(tmp_path):
    text = "Größe;Straße;Übergröße;fünf\n" * 20
    for encoding, likely in (("cp1252", {"cp1252", "latin-1", "iso8859-1"}),):
        path = tmp_path / "data.csv"
        path.write_bytes(b"id,name\n" * 10_000 + text.encode(encoding))
        found = likely_encodings(path)
        assert found
        assert text == text.encode(encoding).decode(found[0])
        assert likely_encodings(text.encode(encoding)) == found
        assert likely
