"""Groups about memory, jobs and the start of commands."""

from __future__ import annotations

from benchmarks.commands import (
    MODULE,
    SPEED,
    Command,
    Comparison,
    Group,
    Target,
    conversion,
    convert,
)

START_SECONDS = 0.6


def memory(form: str, layout: str, sizes: tuple[int, ...]) -> Group:
    commands = tuple(
        convert(f"{size:,} bytes", conversion("transactions", form, layout), size=size)
        for size in sizes
    )
    return Group(
        section="Memory and the size of the file",
        name=f"memory-{form}-{layout}",
        kind="transactions",
        size=sizes[0],
        commands=commands,
        comparisons=tuple(
            Comparison(
                work=f"{form} {layout}", ours=command.label, theirs=commands[0].label,
                measures=("peak",), targets=(Target("peak", at_most=1.05),),
            )
            for command in commands[1:]
        ),
        cycles=1,
    )  # fmt: skip


def scaling(form: str, layout: str, size: int) -> Group:
    options = conversion("transactions", form, layout)
    targets = (Target("wall", 1.8),) if form != "hdf5" else ()
    return Group(
        section="Two jobs and one",
        name=f"scaling-{form}-{layout}",
        kind="transactions",
        size=size,
        commands=(
            convert("2 jobs", (*options, "--jobs", "2")),
            convert("1 job", (*options, "--jobs", "1")),
        ),
        comparisons=(
            Comparison(
                work=f"{form} {layout}",
                ours="2 jobs",
                theirs="1 job",
                measures=SPEED,
                targets=targets,
            ),
        ),
    )


def start() -> Group:
    """A small file, as the first and as a later command on a machine."""
    small = convert("convert", conversion("transactions", "parquet", "rows"))
    commands = []
    for is_first in (True, False):
        order = "first" if is_first else "later"
        commands.append(
            convert(
                f"convert, {order}",
                conversion("transactions", "parquet", "rows"),
                is_first=is_first,
            )
        )
        commands += [
            Command(
                label=f"{name}, {order}", module=MODULE, arguments=(name, "{output}", "--json"),
                setup=small, is_first=is_first,
            )
            for name in ("inspect", "verify")
        ]  # fmt: skip
    return Group(
        section="Start",
        name="start",
        kind="transactions",
        size="1000rows",
        commands=tuple(commands),
        comparisons=tuple(
            Comparison(
                work=f"{command.label} command", ours=command.label,
                measures=("seconds",), targets=(Target("seconds", at_most=START_SECONDS),),
            )
            for command in commands
        ),
    )  # fmt: skip
