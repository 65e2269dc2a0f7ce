"""The file that HDF5 writes to is what a plain file would be."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.io.discardable import DiscardableFile
from tests.examples import examples

PLACES = st.integers(0, 300_000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PLACES, st.sampled_from([0, 1, 100, 4_096, 65_535, 65_536])),
        st.tuples(st.just("go on"), st.just(0), st.sampled_from([1, 4_096, 60_000])),
        st.tuples(st.just("read"), PLACES, st.integers(0, 70_000)),
        st.tuples(st.just("end"), st.just(0), st.just(0)),
        st.tuples(st.just("truncate"), PLACES, st.just(0)),
        st.tuples(st.just("flush"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
@examples(150)
def test_whatever_is_called_it_is_as_a_plain_file(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        file, plain = DiscardableFile(path), io.BytesIO()
        for turn, (what, place, size) in enumerate(steps):
            data = bytes([turn % 251]) * size
            for one in (file, plain):
                if what in ("write", "read"):
                    one.seek(place)
                if what in ("write", "go on"):
                    assert one.write(data) == size
            if what == "read":
                found, expected = bytearray(size), bytearray(size)
                assert file.readinto(found) == plain.readinto(expected)
                assert found == expected
            elif what == "end":
                assert file.seek(0, os.SEEK_END) == plain.seek(0, os.SEEK_END)
            elif what == "truncate":
                size_now = plain.seek(0, os.SEEK_END)
                for one in (file, plain):
                    one.seek(place)
                file.truncate(min(place, size_now))
                plain.truncate(min(place, size_now))
            elif what == "flush":
                file.flush()
        file.close()
        file.close()
        assert path.read_bytes() == plain.getvalue()


def test_what_is_discarded_is_not_written(tmp_path: Path) -> None:
    file = DiscardableFile(tmp_path / "a")
    file.write(b"kept")
    file.flush()
    file.write(b"held")
    file.discard()
    assert file.write(b"x" * 100_000) == 100_000
    assert file.truncate(1) == 1
    file.close()
    assert (tmp_path / "a").read_bytes() == b"kept"


def test_an_error_of_the_disk_is_raised_at_the_latest_by_close() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    file = DiscardableFile(Path("/dev/full"))
    file.write(b"held")
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert file.closed
