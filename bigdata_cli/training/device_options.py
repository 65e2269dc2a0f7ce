"""What a training runs on: the library under Keras, and the devices."""

from __future__ import annotations

from dataclasses import dataclass

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import COUNT, choice
from bigdata_cli.options import option

BACKENDS = ("tensorflow", "torch", "jax")
"""What Keras runs on."""
STRATEGIES = ("auto", "none", "mirrored", "multiworker")


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """The devices to train on."""

    strategy: str = option(
        "One device, all of this machine, or workers (TF_CONFIG, torchrun).",
        choice(STRATEGIES),
        default="auto",
    )
    devices: int | None = option(
        "Number of GPUs to train on; without a GPU, of logical CPUs, to rehearse.",
        COUNT,
        default=None,
    )
    require_gpu: bool = option("Fail if there is no GPU.", default=False)

    def __post_init__(self) -> None:
        if self.strategy == "none" and (self.devices or 1) > 1:
            raise UsageError(
                f"--strategy none trains on one device, not on {self.devices}",
                hint="--strategy mirrored",
            )

    def check_gpu(self, backend: str, n_gpus: int, devices: tuple[str, ...]) -> None:
        """Raise UsageError where a GPU is required and there is none."""
        if self.require_gpu and not n_gpus:
            raise UsageError(
                f"--require-gpu: {backend} sees no GPU, only {', '.join(devices)}",
                hint="without --require-gpu it trains on the CPU",
            )
