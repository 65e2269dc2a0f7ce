"""What every store does, whatever it is made of."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bigdata_cli.checksum import PIECE_BYTES, entry_of_source
from bigdata_cli.errors import UsageError
from bigdata_cli.io.store import PartialFiles, Store, StoredFile, partial_bytes, partial_name

LARGE = bytes(range(256)) * 1024


class StoreContract(ABC):
    """A subclass says which store it is.

    is_shared: what writes there without the lock does not harm what others have published.
    can_travel: it may be pickled.
    """

    is_shared = True
    can_travel = True

    @abstractmethod
    def new_store(self, folder: Path) -> Store:
        """A store that is not there yet."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        store = self.new_store(tmp_path / "a" / "b")
        store.make()
        return store

    def content(self, store: Store, name: str) -> bytes:
        with store.open(name) as file:
            return file.read()

    def test_what_is_written_is_read(self, store: Store) -> None:
        sink = store.create("a")
        assert sink.write(b"head") == 4
        sink.write(memoryview(LARGE))
        entry = sink.finish("final")
        assert self.content(store, "a") == b"head" + LARGE
        with store.open("a") as file:
            assert entry == entry_of_source(file, "final")
        assert store.stat("a").bytes == entry.bytes == 4 + len(LARGE)
        assert store.names() == ["a"]

    def test_names_may_have_folders_of_values(self, store: Store) -> None:
        store.put("b", LARGE)
        store.put("a", b"a")
        final = "x=1/y=%2F/b-0.parquet"
        store.rename({"b": final, "a": "x=2/a"})
        store.rename({"b": final})
        assert sorted(store.names()) == [final, "x=2/a"]
        assert self.content(store, final) == LARGE
        assert store.stat(final).bytes == len(LARGE)
        assert store.problem(final) is None
        assert store.problem("x=1/y=2/b-0.parquet") is not None
        store.remove([final, "x=3/none"])
        assert store.names() == ["x=2/a"]
        store.remove(["x=2/a"])
        assert store.names() == []

    def test_a_new_file_takes_the_place_of_another(self, store: Store) -> None:
        store.put("a", LARGE)
        sink = store.create("a")
        sink.write(b"short")
        sink.finish("a")
        sink.close()
        sink.close()
        assert self.content(store, "a") == b"short"

    def test_a_file_that_is_not_finished_may_be_removed(self, store: Store) -> None:
        sink = store.create("a")
        sink.write(b"short")
        sink.close()
        sink.close()
        store.remove(["a"])
        store.discard_unfinished()
        assert store.names() == []

    def test_the_start_of_a_file_is_written_over(self, store: Store) -> None:
        for rest in (b"", LARGE):
            sink = store.create("a")
            sink.write(b"?" * PIECE_BYTES + rest)
            sink.write(b"end")
            sink.write_over_start(b"!" * 64)
            entry = sink.finish("a")
            expected = b"!" * 64 + b"?" * (PIECE_BYTES - 64) + rest + b"end"
            assert self.content(store, "a") == expected
            with store.open("a") as file:
                assert entry_of_source(file, "a") == entry

    def test_any_place_is_read(self, store: Store) -> None:
        store.put("a", LARGE)
        with store.open("a") as file:
            assert file.seek(-3, 2) == len(LARGE) - 3
            assert file.read() == LARGE[-3:]
            file.seek(1000)
            buffer = bytearray(10)
            assert file.readinto(memoryview(buffer)) == 10
            assert bytes(buffer) == LARGE[1000:1010]
            assert file.tell() == 1010

    def test_bytes_are_put_at_the_end_and_what_followed_is_cut_off(self, store: Store) -> None:
        store.put("a.jsonl", b"one\n")
        store.put("a.jsonl", b"two and more", at=4)
        store.sync(["a.jsonl"])
        store.put("a.jsonl", b"three\n", at=4)
        assert self.content(store, "a.jsonl") == b"one\nthree\n"
        assert store.names() == ["a.jsonl"]
        store.put("a.jsonl", b"anew")
        assert self.content(store, "a.jsonl") == b"anew"

    def test_what_grows_for_long_is_read_and_gone_on_with_by_another_store(
        self, store: Store
    ) -> None:
        line = b"x" * 99_999 + b"\n"
        for number in range(8):
            store.put("a.jsonl", line, at=number * len(line))
        other = pickle.loads(pickle.dumps(store)) if self.can_travel else store
        assert self.content(other, "a.jsonl") == 8 * line
        assert other.stat("a.jsonl").bytes == 8 * len(line)
        other.put("a.jsonl", b"end\n", at=6 * len(line))
        assert self.content(other, "a.jsonl") == 6 * line + b"end\n"
        assert other.names() == ["a.jsonl"]
        other.remove(["a.jsonl"])
        assert other.names() == []

    def test_of_two_contents_one_is_published(self, store: Store) -> None:
        store.put("x", b"1")
        store.put("y", b"2")
        assert store.publish("x", "new")
        assert store.publish("x", "new")  # it may be done twice
        assert self.content(store, "new") == b"1"
        if self.is_shared:
            assert not store.publish("y", "new")
            assert self.content(store, "new") == b"1"

    def test_files_are_renamed_and_it_may_be_done_twice(self, store: Store) -> None:
        for name in ("x", "y", "new"):
            store.put(name, name.encode())
        for _ in range(2):
            store.rename({"x": "new", "y": "z"})
            assert sorted(store.names()) == ["new", "z"]
            assert self.content(store, "new") == b"x"

    def test_files_are_removed_those_that_there_are(self, store: Store) -> None:
        store.put("a", b"1")
        store.put("b", b"2")
        store.remove(["a", "missing"])
        assert store.names() == ["b"]

    @pytest.mark.parametrize("n_files", [1, 70])
    def test_many_files_are_flushed(self, store: Store, n_files: int) -> None:
        names = [f"f{i}" for i in range(n_files)]
        for name in names:
            store.put(name, b"1")
        with ThreadPoolExecutor(2) as pool:
            store.sync(names, pool)
        store.sync(names)
        store.sync()
        assert sorted(store.names()) == sorted(names)
        assert {self.content(store, name) for name in names} == {b"1"}

    def test_what_is_not_there(self, store: Store) -> None:
        with pytest.raises(FileNotFoundError):
            store.open("a")
        with pytest.raises(FileNotFoundError):
            store.stat("a")
        assert store.problem("a") == "the file is missing"
        assert not StoredFile(store, "a").exists()

    def test_a_file_that_is_there(self, store: Store) -> None:
        store.put("a", "é\r\n".encode() + b"\xff")
        file = StoredFile(store, "a")
        assert file.exists()
        assert store.problem("a") is None
        assert str(file) == store.where("a")
        assert store.where("a").startswith(str(store))
        with file.open_text() as text:
            assert text.read() == "é\r\n\udcff"

    def test_another_file_of_that_name_has_another_version(self, store: Store) -> None:
        store.put("a", b"12")
        before = store.stat("a")
        assert store.stat("a") == before
        store.put("a", b"123")
        assert store.stat("a") != before

    def test_a_library_makes_a_file_at_a_path(self, store: Store) -> None:
        store.create_path("a").write_bytes(LARGE)
        store.adopt("a")
        assert self.content(store, "a") == LARGE

    def test_a_local_path_has_the_bytes(self, store: Store) -> None:
        store.put("a", LARGE)
        path = store.local_path("a")
        if path is None:
            pytest.skip(f"{store} has no paths")
        assert path.read_bytes() == LARGE

    def test_partial_files_have_the_names_that_they_will_have(self, store: Store) -> None:
        store.put(partial_name("a"), b"partial")
        store.put("a", b"the one before")
        files = PartialFiles(store)
        assert self.content(files, "a") == b"partial"
        assert files.stat("a") == store.stat(partial_name("a"))
        assert files.where("a") == store.where(partial_name("a"))
        assert files.local_path("a") == store.local_path(partial_name("a"))
        assert partial_bytes(store) == len(b"partial")

    def test_one_conversion_at_a_time(self, store: Store) -> None:
        first, second = store.lock(), store.lock()
        first.acquire()
        with pytest.raises(UsageError, match="writing into"):
            second.acquire()
        second.release()  # it does not take it from the first
        with pytest.raises(UsageError, match="writing into"):
            store.lock().acquire()
        first.release()
        first.release()
        second.acquire()
        second.confirm()
        second.release()

    def test_there_is_room(self, store: Store) -> None:
        assert store.free_bytes() > 1 << 20

    def test_a_store_that_is_not_there_has_no_files(self, tmp_path: Path) -> None:
        store = self.new_store(tmp_path / "a" / "b")
        assert store.names() == []
        assert store.free_bytes() > 1 << 20
        made = store.make()
        assert store.make() == 0
        store.put("a", b"1")
        store.unmake(made)
        assert store.names() == ["a"]
        store.remove(["a"])
        store.unmake(made)
        assert store.names() == []
        assert list(tmp_path.iterdir()) == []
