"""A model comes back as it was, fits other datasets by value, and a hostile file is refused."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.training.evaluate import blocks
from bigdata_cli.training.saved import TrainedModel, load_model, save_model
from tests.datasets import write_dataset
from tests.training.models import LABELS, example_table, network_of

ROWS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(), n_shards=2)


@pytest.fixture(scope="module")
def model(folder: Path) -> TrainedModel:
    return network_of(folder, "fraud")


@pytest.fixture(scope="module")
def saved(model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("m") / "model.keras"
    save_model(path, model)
    return path


def examples_of(model: TrainedModel, folder: Path):
    dataset = open_dataset(folder)
    encoder = model.encoder(dataset)
    return encoder.examples(next(blocks(dataset, encoder, ROWS))), encoder


@pytest.mark.parametrize("label", list(LABELS))
def test_a_model_comes_back_as_it_was(folder: Path, tmp_path: Path, label: str) -> None:
    model = network_of(folder, label)
    save_model(tmp_path / "m.keras", model)
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.target == model.target
    assert loaded.target.task is LABELS[label]
    assert loaded.features == model.features
    assert loaded.schema == model.schema
    assert loaded.state == {"epoch": 3}
    examples, _ = examples_of(model, folder)
    logits = loaded.predict(examples)
    assert logits.shape == (ROWS, len(model.target.start))
    assert len(np.unique(logits)) > ROWS / 2
    np.testing.assert_array_equal(logits, model.predict(examples))
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_hashed_columns_may_be_text_or_categories(folder: Path, tmp_path: Path) -> None:
    model = network_of(folder, "fraud", hashed={"place": 50})
    save_model(tmp_path / "m.keras", model)
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.features == model.features
    assert loaded.features.hashed_names == {"place"}
    known, _ = examples_of(loaded, folder)
    texts = write_dataset(
        tmp_path / "d", replaced("place", pa.array([f"p{i % 40:02d}" for i in range(ROWS)]))
    )
    examples, encoder = examples_of(loaded, texts)
    np.testing.assert_array_equal(examples.codes[:, 0], known.codes[:, 0])
    assert len(np.unique(known.codes[:, 0])) > 20
    assert encoder.notes == ()


def test_keras_loads_it_too(saved: Path, model: TrainedModel) -> None:
    import keras

    loaded = keras.saving.load_model(saved)
    for a, b in zip(loaded.get_weights(), model.keras_model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_optimizer_keeps_its_state(folder: Path, tmp_path: Path) -> None:
    import keras

    model = network_of(folder, "fraud")
    model.keras_model.compile(optimizer=keras.optimizers.Adam(3e-3))
    optimizer = model.keras_model.optimizer
    variables = model.keras_model.trainable_variables
    optimizer.build(variables)
    optimizer.apply([keras.ops.ones_like(v) for v in variables])
    save_model(tmp_path / "m.keras", model)
    loaded = load_model(tmp_path / "m.keras").keras_model.optimizer
    assert int(loaded.iterations) == 1
    assert float(loaded.learning_rate) == pytest.approx(3e-3)
    for a, b in zip(loaded.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_predictions_do_not_depend_on_how_rows_are_cut(folder: Path, model: TrainedModel) -> None:
    examples, _ = examples_of(model, folder)
    whole = model.predict(examples)
    for cut in (1, 7, 299):
        parts = [model.predict(examples.take(slice(i, i + cut))) for i in range(0, ROWS, cut)]
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)
    assert model.predict(examples.take(slice(0, 0))).shape == (0, 1)


def test_a_lambda_is_not_saved(folder: Path, tmp_path: Path) -> None:
    import keras

    model = network_of(folder, "fraud")
    inputs = keras.Input((2,))
    strange = keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs))
    with pytest.raises(ValueError, match="Lambda"):
        save_model(tmp_path / "m.keras", TrainedModel(**{**vars(model), "keras_model": strange}))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_model_that_was_there(
    saved: Path, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(saved.read_bytes())

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(OSError, match="No space"):
        save_model(path, model)
    assert path.read_bytes() == saved.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


@pytest.mark.parametrize("name", ["m.h5", "missing/m.keras"])
def test_where_a_model_cannot_be(model: TrainedModel, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        save_model(tmp_path / name, model)


def test_another_backend_than_the_one_that_runs_is_refused(saved: Path) -> None:
    with pytest.raises(UsageError, match="Keras runs on tensorflow") as caught:
        load_model(saved, backend="jax")
    assert "--backend tensorflow" in str(caught.value.hint)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_every_backend_predicts_the_same(
    saved: Path, folder: Path, model: TrainedModel, tmp_path: Path, backend: str
) -> None:
    pytest.importorskip(backend)
    examples, _ = examples_of(model, folder)
    code = (
        "import sys, numpy as np\n"
        "from tests.training.test_saved import examples_of\n"
        "from bigdata_cli.training.saved import load_model\n"
        "from pathlib import Path\n"
        f"model = load_model({str(saved)!r}, backend={backend!r})\n"
        f"examples, _ = examples_of(model, Path({str(folder)!r}))\n"
        "np.save(sys.argv[1], model.predict(examples))\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    out = tmp_path / "logits.npy"
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    subprocess.run([sys.executable, "-c", code, str(out)], check=True, env=environment)
    np.testing.assert_allclose(np.load(out), model.predict(examples), rtol=1e-4, atol=1e-5)


# What of another dataset fits.


def replaced(name: str, values: pa.Array, n_rows: int = ROWS) -> pa.Table:
    table = example_table(n_rows)
    return table.set_column(table.schema.get_field_index(name), name, values)


def test_categories_are_taken_by_value(model: TrainedModel, folder: Path, tmp_path: Path) -> None:
    places = [f"p{i % 40:02d}" for i in range(ROWS)]
    strange = ["aa" if i % 10 == 3 else place for i, place in enumerate(places)]
    known, _ = examples_of(model, folder)
    for number, values in enumerate((pa.array(strange).dictionary_encode(), pa.array(strange))):
        other = write_dataset(tmp_path / str(number), replaced("place", values))
        examples, encoder = examples_of(model, other)
        expected = np.where(np.arange(ROWS) % 10 == 3, -1, known.codes[:, 0])
        np.testing.assert_array_equal(examples.codes[:, 0], expected)
        np.testing.assert_array_equal(examples.codes[:, 1:], known.codes[:, 1:])
        (note,) = encoder.notes
        assert '"place": 30 values ("aa") are not known' in note


def test_a_column_without_values_is_null(model: TrainedModel, tmp_path: Path) -> None:
    nothing = pa.array([None] * ROWS, pa.bool_())
    other = write_dataset(tmp_path / "a", replaced("place", nothing))
    assert (examples_of(model, other)[0].codes[:, 0] == -1).all()
    other = write_dataset(tmp_path / "b", replaced("id", nothing))
    examples, encoder = examples_of(model, other)
    assert (examples.dense[:, 0] == 0).all()
    assert '"id": 300 values are null, which none was in training' in encoder.notes[0]


def test_numbers_of_another_width_fit(model: TrainedModel, folder: Path, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "d", replaced("id", pa.array(np.arange(ROWS) * 1.0)))
    known, _ = examples_of(model, folder)
    examples, encoder = examples_of(model, other)
    np.testing.assert_array_equal(examples.dense[:, 0], known.dense[:, 0])
    assert encoder.notes == ()


def test_a_label_that_is_not_there_is_no_error(model: TrainedModel, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "d", example_table(ROWS).drop_columns(["fraud"]))
    examples, encoder = examples_of(model, other)
    assert np.isnan(examples.y).all()
    assert not encoder.has_label
    assert 'no column "fraud"' in str(encoder.label_problem)


def test_classes_that_the_model_does_not_know_are_no_label(folder: Path, tmp_path: Path) -> None:
    for label, values in (
        ("kind", pa.array(["b", "z"] * (ROWS // 2)).dictionary_encode()),
        ("grade", pa.array(np.tile([6, 99], ROWS // 2))),
    ):
        model = network_of(folder, label)
        other = write_dataset(tmp_path / label, replaced(label, values))
        examples, encoder = examples_of(model, other)
        assert examples.y[::2].tolist() == [1.0] * (ROWS // 2)
        assert np.isnan(examples.y[1::2]).all()
        assert "150 values" in encoder.notes[0]


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        (example_table(ROWS).drop_columns(["x"]), 'lacks 1 of .*: "x"', "It has: id"),
        (
            replaced("x", pa.array(["one"] * ROWS)),
            'column "x" is text, and the model was trained on float32',
            "--type x=float32",
        ),
        (
            replaced("place", pa.array(np.arange(ROWS))),
            'column "place" is int64, and the model was trained on category',
            "--type place=category",
        ),
        (
            replaced("id", pa.array(np.arange(ROWS).astype("datetime64[D]"))),
            'column "id" is date',
            "--type id=int32",
        ),
    ],
)
def test_columns_that_do_not_fit(
    model: TrainedModel, tmp_path: Path, table: pa.Table, message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        model.encoder(open_dataset(write_dataset(tmp_path / "d", table)))
    assert hint in str(caught.value.hint)


# Files that are no models, or hostile ones.

Member = tuple[zipfile.ZipInfo, bytes]


def rewritten(saved: Path, path: Path, edit: Callable[[list[Member]], list[Member]]) -> Path:
    """A model with its members changed."""
    with zipfile.ZipFile(saved) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in edit(members):
            plain = zipfile.ZipInfo(info.filename)
            archive.writestr(plain, data, compress_type=info.compress_type)
    return path


def described(change: Callable[[dict], None], member: str = "bigdata.json"):
    """An edit of the JSON of a member."""

    def edit(members: list[Member]) -> list[Member]:
        changed = []
        for info, data in members:
            if info.filename == member:
                values = json.loads(data)
                change(values)
                data = json.dumps(values).encode()
            changed.append((info, data))
        return changed

    return edit


def without(name: str):
    return lambda members: [m for m in members if m[0].filename != name]


def with_member(name: str, data: bytes = b"x", compression: int = zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name)
    info.compress_type = compression
    return lambda members: [*[m for m in members if m[0].filename != name], (info, data)]


def first_layer(config: dict) -> dict:
    return next(x for x in config["config"]["layers"] if x["class_name"] == "Dense")


def set_layer(change: Callable[[dict], None]):
    return described(lambda config: change(first_layer(config)), "config.json")


HOSTILE = {
    "newer": (described(lambda m: m.update(model_version=2)), "newer bigdata"),
    "no column": (described(lambda m: m["columns"].pop(0)), "name of a column"),
    "scale": (described(lambda m: m["features"]["numbers"][0].update(scale=0)), "positive"),
    "classes": (described(lambda m: m["target"].update(start=[0, 0])), "one number for each"),
    "vocabulary": (
        described(lambda m: m["features"]["codes"][0].update(n_values=10**9)),
        "not as many as in the vocabulary",
    ),
    "features": (described(lambda m: m["features"]["numbers"].pop()), "takes inputs of"),
    "nan": (described(lambda m: m["target"].update(center=float("nan"))), "not JSON"),
    "buckets": (
        described(lambda m: m["features"]["codes"][0].update(hashed=True, n_values=2**40)),
        "a number of buckets",
    ),
    "no json": (with_member("bigdata.json", b"\xff{"), "not JSON"),
    "plain keras": (without("bigdata.json"), "bigdata did not write"),
    "no weights": (without("model.weights.h5"), "has no model.weights.h5"),
    "weights": (with_member("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(900)), "cannot load"),
    "pickle": (with_member("model.weights.h5", pickle.dumps(print)), "cannot load"),
    "pickled member": (with_member("model.pkl", pickle.dumps(print)), "no part of a model"),
    "path": (with_member("../evil.txt"), "no part of a model"),
    "absolute": (with_member("/tmp/evil.txt"), "no part of a model"),
    "asset": (with_member("assets/x/vocabulary.txt"), "no part of a model"),
    "bomb": (
        with_member("model.weights.h5", bytes(50_000_000), zipfile.ZIP_DEFLATED),
        "is compressed",
    ),
    "deep": (with_member("config.json", b"[" * 100_000), "nested too deeply"),
    "lambda": (set_layer(lambda x: x.update(class_name="__lambda__")), "'__lambda__'"),
    "layer": (set_layer(lambda x: x.update(class_name="StringLookup")), "'StringLookup'"),
    "module": (set_layer(lambda x: x.update(module="os")), "of 'os'"),
    "function": (
        set_layer(
            lambda x: x["config"].update(
                activation={"class_name": "function", "module": "keras.utils", "config": "get_file"}
            )
        ),
        "'function'",
    ),
    "huge": (set_layer(lambda x: x["config"].update(units=10**7)), "far larger than its weights"),
    "wider": (set_layer(lambda x: x["config"].update(units=17)), "Keras cannot load"),
}


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_a_model_that_was_tampered_with_is_refused(saved: Path, tmp_path: Path, kind: str) -> None:
    edit, message = HOSTILE[kind]
    path = rewritten(saved, tmp_path / "m.keras", edit)
    with pytest.raises(DataError, match=message):
        load_model(path)
    assert not (tmp_path.parent / "evil.txt").exists()


def test_what_is_rewritten_without_a_change_is_accepted(
    saved: Path, folder: Path, tmp_path: Path, model: TrainedModel
) -> None:
    examples, _ = examples_of(model, folder)
    loaded = load_model(rewritten(saved, tmp_path / "m.keras", lambda members: members))
    np.testing.assert_array_equal(loaded.predict(examples), model.predict(examples))


def test_any_flipped_byte_is_refused_or_does_not_matter(
    saved: Path, folder: Path, tmp_path: Path, model: TrainedModel
) -> None:
    data = saved.read_bytes()
    examples, _ = examples_of(model, folder)
    path = tmp_path / "m.keras"
    for place in np.random.default_rng(0).integers(0, len(data), 40).tolist():
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            loaded = load_model(path)
        except DataError:
            continue
        np.testing.assert_array_equal(loaded.predict(examples), model.predict(examples))


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("m.keras", b"", DataError),
        ("m.keras", b"PK\x05\x06" + bytes(18), DataError),
        ("m.keras", pickle.dumps({"a": print}), DataError),
        ("m.pkl", pickle.dumps({"a": print}), UsageError),
        ("m.h5", b"\x89HDF\r\n\x1a\n", UsageError),
    ],
)
def test_what_is_no_model(tmp_path: Path, name: str, data: bytes, error: type[Exception]) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match="not a model"):
        load_model(tmp_path / name)


def test_a_truncated_model_is_refused(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(DataError, match="not a model that bigdata can load"):
        load_model(tmp_path / "m.keras")


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_model(tmp_path / "m.keras")
    with pytest.raises(UsageError, match="not a model"):
        load_model(tmp_path)
