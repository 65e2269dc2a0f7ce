"""`--like`: what a conversion takes over from the dataset that is the model for its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.dataset.dataset import open_dataset
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.options import given_options, values_of
from bigdata_cli.strict_json import JsonError
from bigdata_cli.transforms.limits import Limits
from bigdata_cli.transforms.options import ShapeOptions
from bigdata_cli.transforms.prepare import Prepared, open_like
from bigdata_cli.transforms.preprocessing import Preprocessing
from bigdata_cli.transforms.sample_option import sample_rows
from bigdata_cli.transforms.steps import Sample
from bigdata_cli.types.dtype import parse_dtype
from bigdata_cli.url import Place

_DECIDED = ("all_text", "schema", "drop", "columns", "float_mode")
_CHOSEN_ANEW = ("sample", "seed")


def like_dataset(
    paths: Sequence[str | Path], options: ConvertOptions
) -> tuple[ConvertOptions, Prepared]:
    """The options with what the dataset decides, and the rows of the source as rows of it.

    Raises:
        UsageError: An option does not go with `--like`; files lack columns.
        DataError: The manifest of the dataset is damaged, or newer than this version.
    """
    assert options.like is not None
    _check(options)
    dataset = open_dataset(options.cached.place(options.like))
    try:
        prepared = open_like(
            paths,
            options.source,
            Preprocessing.of(dataset.manifest),
            accepts_bad_rows=options.max_bad_rows is not None,
            whose=str(options.like),
            types={name: parse_dtype(dtype) for name, dtype in options.types.items()},
            sample=_sample(options.shape),
            skip_bad_rows=options.on_bad_row == "skip",
            limits=Limits(memory_bytes=options.memory_limit, disk_bytes=options.disk_limit_bytes),
        )
    except JsonError as error:
        raise DataError(
            f"{dataset.manifest_path} does not say how its rows were made: {error}"
        ) from error
    return _taken_over(options, dataset.manifest, prepared), prepared


def _sample(shape: ShapeOptions) -> Sample | None:
    """The rows to keep by chance."""
    if shape.sample is None:
        return None
    if sample_rows(shape.sample) is not None:
        raise UsageError(
            f"--like and --sample {shape.sample} do not go together",
            hint="--sample 0.1 keeps a share of the rows; or take a sample of the dataset then",
        )
    return Sample(share=float(shape.sample), seed=shape.seed)


def _check(options: ConvertOptions) -> None:
    """Raise UsageError for options that the dataset decides."""
    given = [one for one, _ in given_options(options.shape) if one.field not in _CHOSEN_ANEW]
    given += [
        one
        for one, value in values_of(options)
        if one.field in _DECIDED and value != one.default and one not in given
    ]
    if given:
        raise UsageError(
            f"--like takes the columns and all steps from {options.like}, and {given[0].flag} does "
            "not go with it",
            hint=f"leave out {given[0].flag}, or --like",
        )


def _taken_over(options: ConvertOptions, manifest: Manifest, prepared: Prepared) -> ConvertOptions:
    """The options with what the dataset decides where they leave it open."""
    form = options.to or manifest.format
    is_same = form == manifest.format
    label = manifest.label if manifest.label in prepared.keep else None
    return replace(
        options,
        to=form,
        layout=options.layout or (manifest.layout if is_same else None),
        compression=options.compression or (manifest.compression if is_same else None),
        label=options.label or label,
        float_mode=prepared.types.float_mode,
        columns=prepared.keep,
    )


def like_notes(like: Place, prepared: Prepared) -> Iterator[str]:
    """What of the source is not as in the dataset."""
    for name in prepared.missing:
        yield f'the label "{name}" is not in the source, and left out'
    if prepared.unused:
        shown = ", ".join(f'"{name}"' for name in prepared.unused[:8])
        more = len(prepared.unused) - 8
        shown += f" and {more:,} more" if more > 0 else ""
        yield f"{shown}: {like} has no such columns, and they are left out"
    if prepared.not_repeated is not None:
        yield f"all rows are taken: {like} has some of its source only, and that is not repeated"
