"""The targets of `make fuzz`: a few inputs of each, and what is said of one that fails."""

from __future__ import annotations

import random
from importlib import import_module

import pytest

from tests.fuzz import TARGET_MODULES, TARGETS
from tests.fuzz.__main__ import main

for _module in TARGET_MODULES:
    import_module(f"tests.fuzz.{_module}")


@pytest.mark.parametrize("name", list(TARGETS))
def test_a_target_has_cases_and_no_faults(name: str) -> None:
    assert sum(TARGETS[name](random.Random(f"1/{name}/{number}")) for number in range(4)) > 0


def test_what_fails_is_told_with_the_command_that_repeats_it(monkeypatch, capfd) -> None:
    def third_is_wrong(chance: random.Random) -> int:
        assert chance.random() != random.Random("7/third_is_wrong/2").random()
        return 10

    monkeypatch.setitem(TARGETS, "third_is_wrong", third_is_wrong)
    words = ["--seed", "7", "--inputs", "5", "third_is_wrong"]
    assert main(words) == 1
    told = capfd.readouterr()
    assert "fuzz: third_is_wrong: 2 inputs, 20 cases\n" in told.out
    assert "--seed 7 --first 2 --inputs 1 third_is_wrong\n" in told.out
    assert "AssertionError" in told.err
    assert main(["--seed", "8", "--seconds", "0.01", "third_is_wrong"]) == 0
