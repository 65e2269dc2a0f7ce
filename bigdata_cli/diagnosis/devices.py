"""The GPUs as each framework sees them, asked in a process of its own: frameworks hold memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from bigdata_cli.diagnosis.report import Check

_TOPIC = "GPUs"
_MAX_SECONDS = 120
_QUESTIONS = {
    "tensorflow": "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))",
    "torch": "import torch; print(torch.cuda.device_count())",
    "jax": "import jax; print(sum(d.platform == 'gpu' for d in jax.devices()))",
}


def device_checks() -> Iterator[Check]:
    """The GPUs of each framework that is installed; they are asked at the same time."""
    asked = {
        name: subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-c", question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, question in _QUESTIONS.items()
        if find_spec(name) is not None
    }
    for name, process in asked.items():
        yield _answer(name, process)


def _answer(name: str, process: subprocess.Popen[str]) -> Check:
    hint = f"python -c 'import {name}' shows more; pip install --force-reinstall {name}"
    try:
        output, errors = process.communicate(timeout=_MAX_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        found = f"no answer within {_MAX_SECONDS} seconds"
        return Check(topic=_TOPIC, name=name, found=found, status="failed", hint=hint)
    if process.returncode != 0:
        found = (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        return Check(topic=_TOPIC, name=name, found=found, status="failed", hint=hint)
    n_devices = int(output.split()[-1])
    found = f"{n_devices} GPU{'s' * (n_devices != 1)}" if n_devices else "none: it trains on CPUs"
    return Check(topic=_TOPIC, name=name, found=found)
