"""Progress on a terminal and off it."""

from __future__ import annotations

import io

import pytest

from bigdata_cli import convert, diff, sample, verify
from bigdata_cli.cli.progress import ProgressDisplay, progress_line
from bigdata_cli.conversion.progress import Progress
from bigdata_cli.resources.progress import progress_listener
from bigdata_cli.training.course import TrainProgress
from bigdata_cli.training.predict import PredictProgress

GB = 1_000_000_000


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def at(phase: str, n_bytes: int, rows: int = 0, total: int = 100) -> Progress:
    return Progress(phase=phase, bytes_done=n_bytes, bytes_total=total, rows=rows)


def test_a_line_says_how_far_how_fast_and_how_long():
    progress = Progress(
        phase="convert", bytes_done=1_200_000_000, bytes_total=4_600_000_000, rows=8_123_000
    )
    assert progress_line(progress.state, 310_000_000) == (
        "convert: 1.20 GB of 4.60 GB (26 %), 310 MB/s, 11 s left, 8,123,000 rows"
    )


def test_a_source_of_unknown_size_has_no_percentage():
    progress = Progress(phase="convert", bytes_done=GB, bytes_total=0, rows=5)
    assert progress_line(progress.state, 0.0) == "convert: 1.00 GB, 5 rows"


def test_short_runs_print_nothing_off_a_terminal():
    stream, clock = io.StringIO(), Clock()
    with ProgressDisplay(stream=stream, clock=clock) as progress:
        for done in range(101):
            clock.seconds = done * 0.04
            progress(at("convert", done))
    assert stream.getvalue() == ""


def test_long_runs_print_a_line_every_five_seconds():
    stream, clock = io.StringIO(), Clock()
    with ProgressDisplay(stream=stream, clock=clock) as progress:
        for second in range(23):
            clock.seconds = float(second)
            progress(at("convert", second * 4, rows=second))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "convert: 20 B of 100 B (20 %), 4 B/s, 20 s left, 5 rows"
    assert [line.split()[1] for line in lines] == ["20", "40", "60", "80"]


def test_the_rate_of_a_second_phase_is_its_own():
    stream, clock = io.StringIO(), Clock()
    with ProgressDisplay(stream=stream, clock=clock) as progress:
        progress(at("convert", 100))
        clock.seconds = 10.0
        progress(at("redo", 0))
        clock.seconds = 20.0
        progress(at("redo", 50))
    assert (
        stream.getvalue().splitlines()[-1] == "redo: 50 B of 100 B (50 %), 5 B/s, 10 s left, 0 rows"
    )


def test_a_terminal_gets_a_bar_for_each_phase():
    stream = Terminal()
    with ProgressDisplay(stream=stream) as progress:
        progress(at("convert", 40, rows=1_234))
        progress(at("convert", 100, rows=5_678))
        progress(at("redo", 10))
    shown = stream.getvalue()
    assert "convert: 100%" in shown
    assert "5,678 rows" in shown
    assert "redo:" in shown


def test_quiet_shows_nothing_anywhere():
    stream, clock = Terminal(), Clock()
    with ProgressDisplay(stream=stream, clock=clock, quiet=True) as progress:
        clock.seconds = 60.0
        progress(at("convert", 50))
    assert stream.getvalue() == ""


def test_rows_and_steps_have_a_rate_and_the_time_left():
    stream, clock = io.StringIO(), Clock()
    with ProgressDisplay(stream=stream, clock=clock) as progress:
        progress(PredictProgress(rows=0, total_rows=4_000))
        clock.seconds = 10.0
        progress(PredictProgress(rows=1_000, total_rows=4_000))
        clock.seconds = 20.0
        progress(TrainProgress(epoch=1, epochs=2, step=0, expected_steps=9, rows=0, loss=1.0))
        clock.seconds = 30.0
        progress(TrainProgress(epoch=1, epochs=2, step=3, expected_steps=9, rows=9, loss=0.25))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "predicting: 1,000 of 4,000 rows (25 %), 100 rows/s, 30 s left"
    assert lines[-1].startswith("training: 3 of 9 steps (33 %), 0 steps/s, 20 s left")
    assert lines[-1].endswith("epoch 1 of 2, loss 0.25")


@pytest.mark.parametrize("given", [None, False])
def test_python_shows_no_bar_unless_it_is_asked_for(given):
    with progress_listener(given) as listener:
        assert listener is None


def test_python_calls_a_function_with_the_progress(sample_data, tmp_path):
    seen = []
    convert(sample_data / "sensors.csv", to="npy", output=tmp_path / "out", progress=seen.append)
    assert seen[-1].bytes_done == seen[-1].bytes_total
    assert verify(tmp_path / "out", progress=seen.append).passed
    assert seen[-1].state.unit == "B"


def test_every_python_function_that_takes_long_says_how_far_it_is(sample_data, tmp_path):
    seen = []
    written = tmp_path / "rows.csv"
    sample("sensors", rows=1_000, output=written, progress=seen.append)
    assert (seen[-1].rows, seen[-1].total) == (1_000, 1_000)
    for name in ("one", "other"):
        convert(written, to="npy", output=tmp_path / name)
    assert diff(tmp_path / "one", tmp_path / "other", progress=seen.append).is_equal
    assert seen[-1].state.task == "comparing"
    assert (seen[-1].rows, seen[-1].total) == (1_000, 1_000)


def test_python_shows_a_bar(sample_data, tmp_path, capsys):
    convert(sample_data / "sensors.csv", to="npy", output=tmp_path / "out", progress=True)
    shown = capsys.readouterr().err
    assert "convert: 100%" in shown
    assert "rows" in shown


def test_a_terminal_that_does_not_know_its_width_has_a_bar(tmp_path):
    import os
    import pty

    ours, theirs = pty.openpty()  # 0 columns
    with os.fdopen(theirs, "w") as stream:
        with ProgressDisplay(stream=stream) as progress:
            progress(at("convert", 40, rows=1_234))
        shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert "convert:   0%|" in shown
