"""What processor time is counted for which stage."""

from __future__ import annotations

import threading
import time

import pytest

from bigdata_cli import convert
from bigdata_cli.resources.stages import (
    STAGES,
    StageTimes,
    begin_phase,
    listen_to_phases,
    measure_stages,
    stage,
)


def work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_stage_within_another_counts_for_itself():
    times = StageTimes()
    with measure_stages(times):
        with stage("sample"):
            work(0.02)
            with stage("parse"):
                work(0.04)
            with stage("parse"):
                work(0.02)
        with stage("write"):
            time.sleep(0.05)  # waiting is no work
    shares = times.shares()
    assert shares["sample"] == pytest.approx(0.02, abs=0.01)
    assert shares["parse"] == pytest.approx(0.06, abs=0.02)
    assert shares["write"] < 0.01
    assert list(shares) == ["sample", "parse", "write", "other"]


def test_threads_add_up_and_nothing_is_counted_without_measuring():
    times = StageTimes()

    def parse() -> None:
        with stage("parse"):
            work(0.02)

    parse()
    with measure_stages(times):
        threads = [threading.Thread(target=parse) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    parse()
    assert times.shares()["parse"] == pytest.approx(0.06, abs=0.02)


def test_a_conversion_is_measured_on_request(tmp_path):
    source = tmp_path / "data.csv"
    source.write_text("a,b\n" + "1,x\n" * 50_000)
    plain = convert(source, to="npy", output=tmp_path / "plain")
    assert plain.stages is None
    assert plain.to_json()["stages"] is None
    report = convert(source, to="npy", output=tmp_path / "measured", profile=True)
    assert report.stages is not None
    assert set(report.stages) == set(STAGES) - {"split", "reorder"}
    assert all(seconds >= 0 for seconds in report.stages.values())
    assert report.stages["parse"] > 0
    assert report.manifest.to_json() == plain.manifest.to_json()


def test_conversions_in_threads_hear_of_their_own_phases(tmp_path):
    heard: list[str] = []
    reports = []
    source = tmp_path / "a.csv"
    source.write_text("a,b\n" + "1,x\n" * 2_000)

    def run(place: int) -> None:
        reports.append(convert(source, to="npy", output=tmp_path / f"out{place}", shards=3))

    with listen_to_phases(heard.append):
        begin_phase("loading")
        threads = [threading.Thread(target=run, args=(place,)) for place in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    begin_phase("training")
    assert heard == ["loading"]
    for report in reports:
        phases = [phase.name for phase in report.memory.phases]
        assert phases == ["sampling", "converting", "committing"]
    assert len(reports) == 3
