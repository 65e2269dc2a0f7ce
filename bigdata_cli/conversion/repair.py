"""A dataset of which shards are damaged or gone: those are written again, from the same source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

from msgspec import UNSET, structs

from bigdata_cli import __version__
from bigdata_cli.checksum import FileEntry, entry_of_bytes
from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.describe import final_names, options_entry
from bigdata_cli.conversion.identity import source_differences
from bigdata_cli.conversion.resume import is_as_written
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.dataset.manifest import Manifest, ShardEntry
from bigdata_cli.dataset.manifest_file import read_manifest
from bigdata_cli.dataset.rejects_file import rejects_entry
from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.sources.csv.blocks import ByteRange
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.dtype import Column, Kind
from bigdata_cli.types.lattice import Observed, observed_as, resolve
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.statistics import ColumnStatistics


def repair(conversion: Coordinator, folder: OutputFolder) -> Manifest:
    """Write those shards again whose files are not what the manifest says; returns the manifest.

    Each takes its place as soon as it is whole and, where the format's bytes are the same every
    time, has the checksum that it had. Interrupted, the same command repairs what is left. Raises
    UsageError where the dataset is not of this conversion, VerificationError where a shard comes
    out otherwise than it was.
    """
    manifest = read_manifest(folder.store)
    _check_same(manifest, conversion)
    columns = tuple(
        _state(column, manifest.statistics.get(column.name, ColumnStatistics()), state, conversion)
        for column, state in zip(manifest.schema, conversion.plan.sample.plan.columns, strict=True)
    )
    places = _places(manifest, conversion)
    broken = conversion.begin_repair(_results(manifest, places, conversion, folder))
    conversion.redone.update(broken)
    shards = list(manifest.shards)
    final = conversion.places()
    with (
        conversion.engine() as engine,
        closing(conversion.read_again(engine, broken, columns)) as written,
    ):
        for result in written:
            place = places[result.index]
            names = final_names(conversion.plan, result, final[result.index])
            shards[place] = _take(result, names, shards[place], conversion, folder)
    repaired = structs.replace(manifest, shards=tuple(shards))
    sidecars = conversion.plan.form.sidecars(repaired.to_json())
    entries = {name: entry_of_bytes(name, text.encode()) for name, text in sidecars.items()}
    repaired = structs.replace(
        repaired, sidecars=tuple(entries.get(file.name, file) for file in manifest.sidecars)
    )
    damaged = {n: text for n, text in sidecars.items() if not folder.holds(n, text)}
    if damaged or repaired != manifest:
        folder.replace_manifest(repaired, damaged)
    folder.discard_partial()
    rejects = rejects_entry(manifest)
    if rejects is not None and not is_as_written(folder.store, rejects.name, rejects):
        raise VerificationError(
            f"{folder.store.where(rejects.name)} is missing or damaged, and is not of one shard",
            hint="--force in place of --repair makes the dataset anew",
        )
    return repaired


def _check_same(manifest: Manifest, conversion: Coordinator) -> None:
    """Raise UsageError where the command would not make this dataset."""
    plan = conversion.plan
    if plan.source.comes_once:
        raise UsageError(
            "--repair: what comes from a pipe cannot be read again",
            hint="--force makes the dataset anew",
        )
    pairs = {
        "the format": (manifest.format, plan.form.name),
        "the layout, label, compression or matrix": (manifest.storage, plan.storage),
        "the dialect": (dict(manifest.dialect), plan.source.dialect.to_json()),
        "the options": (dict(manifest.options), options_entry(plan)),
        "the order of rows": (manifest.order, conversion.order),
        "the columns": (manifest.schema.names, plan.keep),
    }
    if conversion.counts_shards and not manifest.splits:
        pairs["the number of shards"] = (len(manifest.shards), plan.shards.count)
    changed = [f"{what} differ" for what, (old, new) in pairs.items() if old != new]
    changed += source_differences(manifest.sources, conversion.entries())
    if changed:
        raise UsageError(
            f"--repair: {plan.output} was made otherwise: {'; '.join(changed)}",
            hint="repeat the command that made it, with --repair; --force makes it anew",
        )


def _state(
    column: Column, known: ColumnStatistics, guessed: ColumnState, conversion: Coordinator
) -> ColumnState:
    """A column as it was settled when the dataset was made."""
    observed = observed_as(column.dtype)
    if column.kind is Kind.INT:
        low, high = int(known.minimum or 0), int(known.maximum or 0)
        observed = Observed(observed.forms, negative=max(0, -low), positive=max(0, high))
    float_mode = conversion.plan.options.float_mode
    dtype = resolve(observed, float_mode=float_mode, n_distinct=None, n_rows=0)
    is_category = column.kind is Kind.CATEGORY
    return replace(
        guessed,
        dtype=column.dtype,
        observed=observed,
        fixed=guessed.fixed or not (dtype == column.dtype or is_category),
        distinct=frozenset(column.vocabulary or ()) if is_category else None,
    )


def _places(manifest: Manifest, conversion: Coordinator) -> dict[int, int]:
    """The place of each part's shard in the manifest; of one without rows there may be none."""
    parts = conversion.parts
    if not manifest.splits:
        return {index: index for index in range(len(manifest.shards))}
    places = {}
    for split, entry in enumerate(manifest.splits):
        for place in manifest.shards_of(entry.name):
            shard = manifest.shards[place].source_shard
            assert shard is not UNSET  # as a manifest with splits was read
            places[parts.of_shard(shard)[split]] = place
    return places


def _results(
    manifest: Manifest, places: Mapping[int, int], conversion: Coordinator, folder: OutputFolder
) -> Iterator[ShardResult]:
    """The parts as results; unusable where a file is missing or not what it was."""
    conversion.meter.begin("check", manifest.bytes)
    parts = conversion.parts
    n_shards = max(map(parts.shard, places)) + 1
    pieces_of = {
        parts.shard(part): manifest.shards[at].source_ranges for part, at in places.items()
    }
    for index in range(n_shards * parts.per_shard):
        shard = None if index not in places else manifest.shards[places[index]]
        files = () if shard is None else shard.files
        is_whole = all(is_as_written(folder.store, file.name, file) for file in files)
        if shard is not None:
            conversion.meter.advance(shard.bytes, shard.rows)
        pieces = tuple(ByteRange(*piece) for piece in pieces_of.get(parts.shard(index), ()))
        yield ShardResult(
            index=index,
            name=conversion.specs.name(index),
            files=files,
            unusable=not is_whole,
            schema=manifest.schema,
            rows=0 if shard is None else shard.rows,
            rejected=0,
            rejects=None,
            tally=Tally(),
            starts=tuple(piece.start for piece in pieces),
            stops=tuple(piece.stop for piece in pieces),
            pieces=pieces,
            observed=(),
            distinct=(),
            statistics=(),
        )


def _take(
    result: ShardResult,
    names: Mapping[str, str],
    before: ShardEntry,
    conversion: Coordinator,
    folder: OutputFolder,
) -> ShardEntry:
    """Put a shard into its place; returns its entry. names: see `final_names`."""
    if result.error is not None:
        raise conversion.plan.source.located(*result.error)
    files = tuple(structs.replace(file, name=names[file.name]) for file in result.files)
    if conversion.plan.form.traits.same_bytes and len(files) == len(before.files):
        files = tuple(
            old if _is_same(folder.store, written, old) else new
            for written, new, old in zip(result.files, files, before.files, strict=True)
        )
    differs = files != before.files and conversion.plan.form.traits.same_bytes
    if result.rows != before.rows or set(names.values()) != set(before.file_names) or differs:
        raise VerificationError(
            f"shard {result.index} came out otherwise than it was: {_why_other_bytes(folder)}",
            hint="--force in place of --repair makes the dataset anew",
        )
    folder.store.rename({partial_name(written): final for written, final in names.items()})
    return structs.replace(before, files=files)


def _why_other_bytes(folder: OutputFolder) -> str:
    """Why the same command may give other bytes than those of the dataset."""
    version = read_manifest(folder.store).tool_version
    if version != __version__:
        return f"the dataset was made by bigdata {version}, and this is {__version__}"
    return "its source changed unnoticed, or its libraries had other versions"


def _is_same(store: Store, written: FileEntry, before: FileEntry) -> bool:
    """Whether a file that was written has the bytes of one that has another kind of checksum."""
    if written.checksum.partition(":")[0] == before.checksum.partition(":")[0]:
        return False
    return is_as_written(store, partial_name(written.name), before)
