"""What it costs to shape, split and shuffle rows on their way, against doing nothing."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.commands import SPEED, Comparison, Group, Target, conversion, convert, peer

SPLIT_SHAPES = ("transactions", "floats", "clicks", "reviews")
_SPLIT = ("--split", "train=0.8,val=0.1,test=0.1")
_PLAIN = "nothing of it"
_CONDITION = "amount >= 0 and oldbalanceOrg >= 0"
"""Of all rows: then all commands write the same number."""
_STANDARDIZED = "amount,oldbalanceOrg,newbalanceOrig"
_DERIVED = "errorBalanceOrig = newbalanceOrig + amount - oldbalanceOrg"


def splits(kind: str, size: int) -> Group:
    """A shape divided among splits by a hash of each row."""
    return _against_plain(f"splits-{kind}", kind, size, {"--split": (_SPLIT, 0.95)})


def shaping(size: int) -> Group:
    """Filters, new columns, statistics, and another order."""
    ways = {
        "--where, two columns": (("--where", _CONDITION), 0.8),
        "--derive of three columns": (("--derive", _DERIVED), 0.8),
        "--standardize of three columns": (("--standardize", _STANDARDIZED), 1 / 1.5),
        "--dedup '*'": (("--dedup", "*"), None),
        "--split-time": ((*_SPLIT, "--split-time", "step"), None),
        "--shuffle": (("--shuffle",), 0.4),
        "--shuffle --split": (("--shuffle", *_SPLIT), None),
    }
    return _against_plain("shaping", "transactions", size, ways)


def against_others(size: int) -> Iterator[Group]:
    """The same work by others, where they do the same."""
    work = {
        "where": ("--where", "amount > 200000 and type in ('TRANSFER', 'CASH_OUT')"),
        "derive": ("--derive", _DERIVED),
        "dedup": ("--dedup", "nameDest,type"),
        "standardize": ("--standardize", _STANDARDIZED),
        "shuffle": ("--shuffle",),
    }
    for name, options in work.items():
        label = f"--{name}"
        peers = [
            peer(f"{library}, {name}", f"{library.lower()}-parquet", *options)
            for library in ("Polars", "DuckDB")
        ]
        yield Group(
            section="Shaped rows, against others",
            name=f"shaped-{name}",
            kind="transactions",
            size=size,
            commands=(
                convert(label, conversion("transactions", "parquet", "rows", *options)),
                *peers,
            ),
            comparisons=tuple(
                Comparison(
                    work=f"CSV → Parquet with {label}",
                    ours=label,
                    theirs=other.label,
                    targets=(Target("CPU", 1.0),),
                )
                for other in peers
            ),
        )


def _against_plain(
    name: str, kind: str, size: int, ways: dict[str, tuple[tuple[str, ...], float | None]]
) -> Group:
    return Group(
        section="Shaped, split and shuffled",
        name=name,
        kind=kind,
        size=size,
        commands=(
            convert(_PLAIN, conversion(kind, "parquet", "rows")),
            *(
                convert(label, conversion(kind, "parquet", "rows", *options))
                for label, (options, _) in ways.items()
            ),
        ),
        comparisons=tuple(
            Comparison(
                work=f"CSV → Parquet with {label}",
                ours=label,
                theirs=_PLAIN,
                measures=SPEED,
                targets=() if asked is None else (Target("CPU", asked),),
            )
            for label, (_, asked) in ways.items()
        ),
    )
