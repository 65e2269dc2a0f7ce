"""The public functions. Each is a command of the command line, and takes the same options.

The keyword arguments are written by `python -m bigdata_cli.signatures`, from the options of the
request that a function makes; the rest is written by hand. `locals()`, taken first, is what was
given for them. The libraries that a function needs are loaded when it is called.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bigdata_cli.argument_names import errors_name_arguments
from bigdata_cli.option_kinds import FLAG, PLACE, SOURCES, TEXT
from bigdata_cli.options import accepted, request_of
from bigdata_cli.resources.progress import progress_listener
from bigdata_cli.synonyms import understands_synonyms

if TYPE_CHECKING:
    import pyarrow as pa

    from bigdata_cli.comparison.report import DiffReport
    from bigdata_cli.conversion.clean import CleanReport
    from bigdata_cli.conversion.progress import Progress
    from bigdata_cli.conversion.report import ConvertReport
    from bigdata_cli.dataset import Dataset
    from bigdata_cli.diagnosis.report import DoctorReport
    from bigdata_cli.export.cat import CatReport
    from bigdata_cli.inspection.report import InspectReport
    from bigdata_cli.publishing.push import PushReport
    from bigdata_cli.resources.progress import RowsProgress
    from bigdata_cli.training.bag import Bag
    from bigdata_cli.training.course import TrainProgress
    from bigdata_cli.training.predict import PredictProgress, PredictReport
    from bigdata_cli.training.report import TrainReport
    from bigdata_cli.training.saved import TrainedModel
    from bigdata_cli.verification.report import VerifyProgress, VerifyReport


@understands_synonyms
def convert(
    sources: str | Path | Sequence[str | Path],
    *,
    to: Literal["parquet", "hdf5", "npy", "tfrecord", "arrow"] | None = None,
    like: str | Path | None = None,
    output: str | Path | None = None,
    shards: int | None = None,
    shard_size: int | str | None = None,
    label: str | None = None,
    layout: str | None = None,
    compression: str | None = None,
    force: bool = False,
    repair: bool = False,
    disk_limit: int | str | None = None,
    float: Literal["auto", "32", "64"] = "auto",
    type: Mapping[str, str] | None = None,
    all_text: bool = False,
    schema: str | Path | Mapping[str, Any] | None = None,
    drop: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    split: Mapping[str, float] | None = None,
    split_by: Sequence[str] = (),
    split_order: bool = False,
    split_time: str | None = None,
    rename: Mapping[str, str] | None = None,
    join: str | Path | Sequence[str | Path] = (),
    on: str | Sequence[str] | Sequence[Sequence[str]] = (),
    how: Literal["left", "inner"] | Sequence[Literal["left", "inner"]] = (),
    derive: Mapping[str, str] | None = None,
    where: str | Sequence[str] = (),
    dedup: Sequence[str] = (),
    keep: Literal["first", "last"] = "first",
    balance: str | None = None,
    sample: float | str | None = None,
    stratify: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    flag_null: Sequence[str] = (),
    fill: Mapping[str, str] | None = None,
    clip: Mapping[str, str] | None = None,
    log1p: Sequence[str] = (),
    bin: Mapping[str, str] | None = None,
    standardize: Sequence[str] = (),
    minmax: Sequence[str] = (),
    one_hot: Sequence[str] = (),
    hash: Mapping[str, int] | None = None,
    stats_from: str | Path | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    header: bool | None = None,
    header_rows: int | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int | None = None,
    skip_footer: int | None = None,
    trailing_delimiter: bool | None = None,
    row_names: bool | None = None,
    short_rows: Literal["error", "null"] = "error",
    long_rows: Literal["error", "cut", "join"] = "error",
    repeated_header: Literal["keep", "drop"] = "keep",
    comment: str | None = None,
    trim: bool | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Sequence[str] | None = None,
    true: Sequence[str] | None = None,
    false: Sequence[str] | None = None,
    strip: str | None = None,
    date_format: Sequence[str] | None = None,
    text: bool | None = None,
    keep_blank_lines: bool = False,
    jsonl: bool | None = None,
    nested: Literal["refuse", "text"] = "refuse",
    encoding: str | None = None,
    shuffle: bool = False,
    sort_by: str | Sequence[str] = (),
    partition_by: str | Sequence[str] = (),
    on_bad_row: Literal["error", "skip"] = "error",
    max_bad_rows: int | None = None,
    max_line_size: int | str = 16_000_000,
    jobs: int | None = None,
    engine: Literal["local", "processes", "dask", "ray"] | Executor = "local",
    scheduler: str | None = None,
    task: str | None = None,
    spool: bool = True,
    memory_limit: int | str | None = None,
    memory_plot: str | Path | None = None,
    memory_log: str | Path | None = None,
    cache: str | Path | None = None,
    cache_size: int | str = 10_000_000_000,
    profile: bool = False,
    progress: "bool | Callable[[Progress], None] | None" = None,
) -> "ConvertReport":
    r"""Convert CSV, text or Parquet files, or datasets, into a dataset.

    Every column gets the smallest type that holds all its values. No output folder is left behind
    where a conversion fails, but where shards are finished and the same call goes on with them: a
    note of the exception says so, as of KeyboardInterrupt.

    Args:
        sources: Files, patterns such as "data/*.csv", folders of files, or folders of datasets,
            whose types are kept. Several with the same columns become one dataset, in the order
            given.
        to: Format of the dataset. Default: that of like; required without it.
        like: A dataset: the source becomes another one like it, with its columns, types, categories
            and steps.
        output: Folder of the dataset. Default: STEM-FORMAT.
        shards: Number of shards.
        shard_size: Size of one shard's files, such as 512MB or 1GiB. Default: 256MB.
        label: The column that a model learns.
        layout: parquet, arrow: rows; hdf5, npy: columns, matrix; tfrecord: rows, packed, block.
            Default: the first.
        compression: The format's compression, such as zstd:9, gzip or none.
        force: Replace an existing dataset.
        repair: Write only those shards of the dataset again that are damaged or missing.
        disk_limit: Most bytes on the disk at any time, such as 20GB. Default: what is free, less 5
            %.
        float: auto: float32 where no value changes, else float64.
        type: Dtype of a column, or of those that match a pattern.
        all_text: Read all columns as text, except those of type.
        schema: JSON with the columns, as `bigdata convert --dry-run --json` prints them.
        drop: Columns to leave out.
        columns: The only columns to keep.
        split: Divide the rows, equal rows together, into splits with these shares
        split_by: With split: rows with equal values in these columns are in the same split
        split_order: With split: by the order of the rows, so that the last split has the last rows
        split_time: With split: by the values of a column, such as times; equal values are in the
            same split
        rename: Rename a column; all other options use the new name.
        join: A small table whose columns each row gets, by a key: CSV, Parquet, a dataset …
        on: The columns of the keys of join, in the rows and in the table.
        how: left keeps rows whose key join does not have, with nulls; inner leaves them out.
        derive: Compute a column in SQL; it may use those derived before it.
        where: Keep the rows for which this is true, in SQL.
        dedup: Keep only the first of the rows that are equal in these columns; * for all columns.
        keep: With dedup: which of several equal rows to keep.
        balance: Keep as many rows of each class in this column as the smallest class has.
        sample: Keep each row with this probability, such as 0.05, or exactly so many rows, such as
            1000rows or 2Mrows.
        stratify: With sample or split: each class in this column has its share of the rows, exact
            within one row.
        limit: Keep only the first rows, after all filters, and read no further.
        seed: Seed of all random choices: samples, splits and the order of rows.
        flag_null: Columns to which COL_is_null is added.
        fill: What nulls of a column become: a value, mean, median, mode, zero or ffill.
        clip: Bounds of a column; either may be left out.
        log1p: Columns that become the logarithm of 1 + x.
        bin: Replace numbers by the number of their bin: edges, or quantiles:N.
        standardize: Columns that get mean 0 and standard deviation 1; * for all numbers.
        minmax: Columns that are scaled to 0 … 1; * for all numbers.
        one_hot: Columns that become a column of true and false for each value.
        hash: Hash the values of a column into this number of buckets.
        stats_from: Take the statistics of steps (mean, median, values …) from this dataset.
        delimiter: What separates fields: one or more characters, such as ';', tab, space or '::';
            whitespace: a run of spaces and tabs. Default: detected.
        quote: The character around quoted fields; none: there are no quotes. Default: ", or
            detected.
        escape: The character that makes the next one plain, such as '\'; none: there is none.
            Default: none, or detected.
        header: Whether the first row names the columns. Default: detected.
        header_rows: How many rows name the columns: their names are joined, from above, with
            spaces. Default: detected.
        names: The names of all columns, in place of a header; auto: those of the header, completed.
        skip_rows: Lines to leave out at the beginning of each file, before the header. Default:
            detected.
        skip_footer: Lines to leave out at the end of each file. Default: detected.
        trailing_delimiter: Whether rows end with a delimiter that no field follows. Default:
            detected.
        row_names: Whether the header has no name for the first column, which names rows, as R
            writes it. Default: detected.
        short_rows: A row with too few fields is a bad row, or missing fields are null.
        long_rows: A row with too many fields is a bad row, or the surplus is cut, or joined to the
            last text column.
        repeated_header: A row that repeats the header is kept, or left out.
        comment: Leave out lines that begin with it, such as '#'.
        trim: Whether to remove spaces around fields. Default: detected.
        decimal: Decimal mark of numbers.
        thousands: Mark between groups of three digits, such as ','. Default: none.
        null: Text that means null, in all columns or in one; replaces the default list. Default:
            empty NA N/A n/a NaN nan null NULL \N #N/A <NA>.
        true: Text that means true, besides true, True and TRUE.
        false: Text that means false, besides false, False and FALSE.
        strip: Characters around numbers to leave out, such as '$%'; a comma is left out between
            groups of three digits. Default: none.
        date_format: How dates and times are written, in all text columns or in one, such as
            %d/%m/%Y; auto: the only format that all sampled values have. Default: ISO 8601.
        text: Each line is a row of one column, text. Default: for .txt.
        keep_blank_lines: Blank lines of a text are rows too.
        jsonl: Each line is a JSON object; its keys are the columns. names lists all keys. Default:
            for .jsonl, .ndjson and .json.
        nested: An object or array within a JSON line: an error, or kept as its JSON text.
        encoding: Encoding of the file, such as cp1252 or utf-16-le. Default: UTF-8, or UTF-16 or
            UTF-32 with a byte order mark.
        shuffle: Store the rows in random order, each order equally likely; seed chooses one.
        sort_by: Sort the rows by these columns; COL:desc: the largest first. Stable, nulls last.
        partition_by: Write a folder COL=VALUE for each value of these columns, as Hive does
            (Parquet only).
        on_bad_row: A record that cannot be kept stops the run, or is set aside: `cat(DATASET,
            rejected=True)` shows these.
        max_bad_rows: With on_bad_row="skip": stop where there are more. So many may be bad at the
            beginning.
        max_line_size: A longer record is an error, such as a quote that is never closed. Default:
            16MB, less where memory_limit has no room for that.
        jobs: Threads, or processes where engine starts them. Default: all processors.
        engine: Who does the work: threads of this process, processes, or the workers of a cluster.
            The dataset is the same.
        scheduler: Address of a Dask scheduler, such as tcp://host:8786, or of a Ray cluster.
            Default: DASK_SCHEDULER_ADDRESS or RAY_ADDRESS, or else processes of this machine, as
            many as jobs.
        task: Make only the shards of one of N tasks, such as 3/16 of a job array; `bigdata commit`
            makes the dataset of all of them.
        spool: Keep text of a pipe on the disk during the run; without it, a column whose type
            changes late may be an error, and steps that need all rows are refused.
        memory_limit: Most memory of the process and its children, such as 512MB; also of each
            worker of a cluster. Default: a quarter of what is available, at most 2GB.
        memory_plot: Draw memory over time into a .png, .svg or .pdf (extra: plot).
        memory_log: Write memory over time as a CSV: seconds, rss_bytes, phase.
        cache: Keep the files of datasets at addresses in this folder, which processes may share.
        cache_size: Size of that folder at most; the files used longest ago are removed. Default:
            10GB.
        profile: Show the processor time of each stage.
        progress: True shows a bar; a function is called with the phase, the bytes and the rows that
            are done, now and then.

    Returns:
        What became of the rows and columns, with the manifest of the dataset.

    Raises:
        UsageError: An argument, a path or a combination of them cannot work.
        DataError: The source holds something that cannot be kept as asked.
        BudgetError: Memory or disk does not suffice.
        EngineError: Workers are not there, are gone, or are of another version.
    """
    given = locals()
    from bigdata_cli.conversion.options import ConvertOptions
    from bigdata_cli.conversion.run import run

    with errors_name_arguments("convert"):
        options = request_of(ConvertOptions, given)
        paths = accepted("sources", sources, SOURCES)
        with progress_listener(progress) as listener:
            return run(paths, options, progress=listener)


def commit(
    output: str | Path,
    *,
    here: bool = False,
    jobs: int | None = None,
    memory_limit: int | str | None = None,
    progress: "bool | Callable[[Progress], None] | None" = None,
) -> "ConvertReport":
    """Make one dataset of what the tasks of a job array have written.

    Each task is a `convert` with the same sources and options, and its own `task`. Nothing is
    visible before.

    Args:
        output: The folder that the tasks wrote into.
        here: Finish or repeat the work of tasks in this process.
        jobs: Threads. Default: all processors.
        memory_limit: Most memory of the process and its children, such as 512MB. Default: a quarter
            of what is available, at most 2GB.
        progress: True shows a bar; a function is called with the phase, the bytes and the rows that
            are done, now and then.

    Returns:
        What became of the rows and columns, with the manifest of the dataset.

    Raises:
        UsageError: There are no tasks in the folder, or one is still running.
        EngineError: Tasks are not done, or have to do shards again: the message names them.
    """
    given = locals()
    from bigdata_cli.conversion.commit_options import CommitOptions
    from bigdata_cli.conversion.job_array import commit as run

    with errors_name_arguments("commit"):
        path = accepted("output", output, PLACE)
        options = request_of(CommitOptions, given)
        with progress_listener(progress) as listener:
            return run(path, options, progress=listener)


@understands_synonyms
def inspect(
    path: str | Path,
    *,
    label: str | None = None,
    sample_size: int | str | None = None,
    full: bool = False,
    memory: int | str | None = None,
    disk: int | str | None = None,
    shuffle_score: bool = False,
    html: str | Path | None = None,
    split: Mapping[str, float] | None = None,
    split_by: Sequence[str] = (),
    split_order: bool = False,
    split_time: str | None = None,
    rename: Mapping[str, str] | None = None,
    join: str | Path | Sequence[str | Path] = (),
    on: str | Sequence[str] | Sequence[Sequence[str]] = (),
    how: Literal["left", "inner"] | Sequence[Literal["left", "inner"]] = (),
    derive: Mapping[str, str] | None = None,
    where: str | Sequence[str] = (),
    dedup: Sequence[str] = (),
    keep: Literal["first", "last"] = "first",
    balance: str | None = None,
    sample: float | str | None = None,
    stratify: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    flag_null: Sequence[str] = (),
    fill: Mapping[str, str] | None = None,
    clip: Mapping[str, str] | None = None,
    log1p: Sequence[str] = (),
    bin: Mapping[str, str] | None = None,
    standardize: Sequence[str] = (),
    minmax: Sequence[str] = (),
    one_hot: Sequence[str] = (),
    hash: Mapping[str, int] | None = None,
    stats_from: str | Path | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    header: bool | None = None,
    header_rows: int | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int | None = None,
    skip_footer: int | None = None,
    trailing_delimiter: bool | None = None,
    row_names: bool | None = None,
    short_rows: Literal["error", "null"] = "error",
    long_rows: Literal["error", "cut", "join"] = "error",
    repeated_header: Literal["keep", "drop"] = "keep",
    comment: str | None = None,
    trim: bool | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Sequence[str] | None = None,
    true: Sequence[str] | None = None,
    false: Sequence[str] | None = None,
    strip: str | None = None,
    date_format: Sequence[str] | None = None,
    text: bool | None = None,
    keep_blank_lines: bool = False,
    jsonl: bool | None = None,
    nested: Literal["refuse", "text"] = "refuse",
    encoding: str | None = None,
    shuffle: bool = False,
    sort_by: str | Sequence[str] = (),
    partition_by: str | Sequence[str] = (),
    on_bad_row: Literal["error", "skip"] = "error",
    cache: str | Path | None = None,
    cache_size: int | str = 10_000_000_000,
    progress: "bool | Callable[[Progress], None] | None" = None,
) -> "InspectReport":
    r"""Show what is in a CSV, text or Parquet file, or in a dataset, and what it costs.

    Of a dataset the manifest is read, and rows of its label.

    Args:
        path: The file, a pattern or folder of such, the folder of a dataset, or its
            manifest.
        label: Count the classes of this column; plan with it.
        sample_size: Size of the sample, such as 64MB. Default: 8MiB.
        full: Read the whole source, so that all figures are exact.
        memory: Memory of the machine to plan for, such as 16GB. Default: what is free here.
        disk: Disk of the machine to plan for. Default: what is free here, less 5 %.
        shuffle_score: Of a dataset: how well shuffled batches mix the classes of its label, or of
            label; reads the label.
        html: Write the report as one self-contained HTML page.
        split: Divide the rows, equal rows together, into splits with these shares
        split_by: With split: rows with equal values in these columns are in the same split
        split_order: With split: by the order of the rows, so that the last split has the last rows
        split_time: With split: by the values of a column, such as times; equal values are in the
            same split
        rename: Rename a column; all other options use the new name.
        join: A small table whose columns each row gets, by a key: CSV, Parquet, a dataset …
        on: The columns of the keys of join, in the rows and in the table.
        how: left keeps rows whose key join does not have, with nulls; inner leaves them out.
        derive: Compute a column in SQL; it may use those derived before it.
        where: Keep the rows for which this is true, in SQL.
        dedup: Keep only the first of the rows that are equal in these columns; * for all columns.
        keep: With dedup: which of several equal rows to keep.
        balance: Keep as many rows of each class in this column as the smallest class has.
        sample: Keep each row with this probability, such as 0.05, or exactly so many rows, such as
            1000rows or 2Mrows.
        stratify: With sample or split: each class in this column has its share of the rows, exact
            within one row.
        limit: Keep only the first rows, after all filters, and read no further.
        seed: Seed of all random choices: samples, splits and the order of rows.
        flag_null: Columns to which COL_is_null is added.
        fill: What nulls of a column become: a value, mean, median, mode, zero or ffill.
        clip: Bounds of a column; either may be left out.
        log1p: Columns that become the logarithm of 1 + x.
        bin: Replace numbers by the number of their bin: edges, or quantiles:N.
        standardize: Columns that get mean 0 and standard deviation 1; * for all numbers.
        minmax: Columns that are scaled to 0 … 1; * for all numbers.
        one_hot: Columns that become a column of true and false for each value.
        hash: Hash the values of a column into this number of buckets.
        stats_from: Take the statistics of steps (mean, median, values …) from this dataset.
        delimiter: What separates fields: one or more characters, such as ';', tab, space or '::';
            whitespace: a run of spaces and tabs. Default: detected.
        quote: The character around quoted fields; none: there are no quotes. Default: ", or
            detected.
        escape: The character that makes the next one plain, such as '\'; none: there is none.
            Default: none, or detected.
        header: Whether the first row names the columns. Default: detected.
        header_rows: How many rows name the columns: their names are joined, from above, with
            spaces. Default: detected.
        names: The names of all columns, in place of a header; auto: those of the header, completed.
        skip_rows: Lines to leave out at the beginning of each file, before the header. Default:
            detected.
        skip_footer: Lines to leave out at the end of each file. Default: detected.
        trailing_delimiter: Whether rows end with a delimiter that no field follows. Default:
            detected.
        row_names: Whether the header has no name for the first column, which names rows, as R
            writes it. Default: detected.
        short_rows: A row with too few fields is a bad row, or missing fields are null.
        long_rows: A row with too many fields is a bad row, or the surplus is cut, or joined to the
            last text column.
        repeated_header: A row that repeats the header is kept, or left out.
        comment: Leave out lines that begin with it, such as '#'.
        trim: Whether to remove spaces around fields. Default: detected.
        decimal: Decimal mark of numbers.
        thousands: Mark between groups of three digits, such as ','. Default: none.
        null: Text that means null, in all columns or in one; replaces the default list. Default:
            empty NA N/A n/a NaN nan null NULL \N #N/A <NA>.
        true: Text that means true, besides true, True and TRUE.
        false: Text that means false, besides false, False and FALSE.
        strip: Characters around numbers to leave out, such as '$%'; a comma is left out between
            groups of three digits. Default: none.
        date_format: How dates and times are written, in all text columns or in one, such as
            %d/%m/%Y; auto: the only format that all sampled values have. Default: ISO 8601.
        text: Each line is a row of one column, text. Default: for .txt.
        keep_blank_lines: Blank lines of a text are rows too.
        jsonl: Each line is a JSON object; its keys are the columns. names lists all keys. Default:
            for .jsonl, .ndjson and .json.
        nested: An object or array within a JSON line: an error, or kept as its JSON text.
        encoding: Encoding of the file, such as cp1252 or utf-16-le. Default: UTF-8, or UTF-16 or
            UTF-32 with a byte order mark.
        shuffle: Store the rows in random order, each order equally likely; seed chooses one.
        sort_by: Sort the rows by these columns; COL:desc: the largest first. Stable, nulls last.
        partition_by: Write a folder COL=VALUE for each value of these columns, as Hive does
            (Parquet only).
        on_bad_row: A record that cannot be kept is an error, or is left out and counted.
        cache: Keep the files of datasets at addresses in this folder, which processes may share.
        cache_size: Size of that folder at most; the files used longest ago are removed. Default:
            10GB.
        progress: True shows a bar; a function is called with what is done, now and then, where all
            of a source is read.

    Returns:
        A `CsvReport`, of text and tables, or a `DatasetReport`.

    Raises:
        UsageError: The path is not there or is neither, or an argument cannot work.
        DataError: The file is empty, or the manifest is damaged.
    """
    given = locals()
    from bigdata_cli.inspection.options import InspectOptions
    from bigdata_cli.inspection.run import run

    with errors_name_arguments("inspect"):
        options = request_of(InspectOptions, given)
        with progress_listener(progress) as listener:
            return run(accepted("path", path, PLACE), options, progress=listener)


def open_dataset(
    path: str | Path,
    *,
    cache: str | Path | None = None,
    cache_size: int | str = 10_000_000_000,
) -> "Dataset":
    """Open a dataset by its folder or its manifest.

    Args:
        path: The folder or the manifest; an address, too.
        cache: Keep the files of an address in this folder, which processes may share.
        cache_size: Keep so much of them at the most: what was used longest ago goes.

    Returns:
        The dataset; its rows are read when they are asked for.

    Raises:
        UsageError: There is no dataset.
        DataError: The manifest is damaged.
    """
    given = locals()
    from bigdata_cli.dataset import open_dataset as open_
    from bigdata_cli.resources.cache_options import CacheOptions

    with errors_name_arguments("convert"):  # its hints say how to make a dataset
        return open_(request_of(CacheOptions, given).place(accepted("path", path, PLACE)))


@understands_synonyms
def head(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    where: str | Sequence[str] = (),
    split: str | None = None,
    rows: int = 10,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    header: bool | None = None,
    header_rows: int | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int | None = None,
    skip_footer: int | None = None,
    trailing_delimiter: bool | None = None,
    row_names: bool | None = None,
    short_rows: Literal["error", "null"] = "error",
    long_rows: Literal["error", "cut", "join"] = "error",
    repeated_header: Literal["keep", "drop"] = "keep",
    comment: str | None = None,
    trim: bool | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Sequence[str] | None = None,
    true: Sequence[str] | None = None,
    false: Sequence[str] | None = None,
    strip: str | None = None,
    date_format: Sequence[str] | None = None,
    text: bool | None = None,
    keep_blank_lines: bool = False,
    jsonl: bool | None = None,
    nested: Literal["refuse", "text"] = "refuse",
    encoding: str | None = None,
    on_bad_row: Literal["error", "skip"] = "error",
    cache: str | Path | None = None,
    cache_size: int | str = 10_000_000_000,
) -> "pa.Table":
    r"""Read the first rows of a dataset, or of a file, as an Arrow table.

    Integers and floats of a text file that is larger than a sample are int64 and float64.

    Args:
        path: The folder of a dataset, or whatever `convert` takes.
        columns: The only columns, in this order.
        where: Only the rows for which this is true, in SQL.
        split: Only the rows of this split of a dataset.
        rows: The first rows.
        delimiter: What separates fields: one or more characters, such as ';', tab, space or '::';
            whitespace: a run of spaces and tabs. Default: detected.
        quote: The character around quoted fields; none: there are no quotes. Default: ", or
            detected.
        escape: The character that makes the next one plain, such as '\'; none: there is none.
            Default: none, or detected.
        header: Whether the first row names the columns. Default: detected.
        header_rows: How many rows name the columns: their names are joined, from above, with
            spaces. Default: detected.
        names: The names of all columns, in place of a header; auto: those of the header, completed.
        skip_rows: Lines to leave out at the beginning of each file, before the header. Default:
            detected.
        skip_footer: Lines to leave out at the end of each file. Default: detected.
        trailing_delimiter: Whether rows end with a delimiter that no field follows. Default:
            detected.
        row_names: Whether the header has no name for the first column, which names rows, as R
            writes it. Default: detected.
        short_rows: A row with too few fields is a bad row, or missing fields are null.
        long_rows: A row with too many fields is a bad row, or the surplus is cut, or joined to the
            last text column.
        repeated_header: A row that repeats the header is kept, or left out.
        comment: Leave out lines that begin with it, such as '#'.
        trim: Whether to remove spaces around fields. Default: detected.
        decimal: Decimal mark of numbers.
        thousands: Mark between groups of three digits, such as ','. Default: none.
        null: Text that means null, in all columns or in one; replaces the default list. Default:
            empty NA N/A n/a NaN nan null NULL \N #N/A <NA>.
        true: Text that means true, besides true, True and TRUE.
        false: Text that means false, besides false, False and FALSE.
        strip: Characters around numbers to leave out, such as '$%'; a comma is left out between
            groups of three digits. Default: none.
        date_format: How dates and times are written, in all text columns or in one, such as
            %d/%m/%Y; auto: the only format that all sampled values have. Default: ISO 8601.
        text: Each line is a row of one column, text. Default: for .txt.
        keep_blank_lines: Blank lines of a text are rows too.
        jsonl: Each line is a JSON object; its keys are the columns. names lists all keys. Default:
            for .jsonl, .ndjson and .json.
        nested: An object or array within a JSON line: an error, or kept as its JSON text.
        encoding: Encoding of the file, such as cp1252 or utf-16-le. Default: UTF-8, or UTF-16 or
            UTF-32 with a byte order mark.
        on_bad_row: A record that cannot be kept is an error, or is left out.
        cache: Keep the files of datasets at addresses in this folder, which processes may share.
        cache_size: Size of that folder at most; the files used longest ago are removed. Default:
            10GB.

    Returns:
        A `pyarrow.Table`, whose columns have the types of the dataset.

    Raises:
        UsageError: There is no such file or column.
        DataError: The rows cannot be read.
    """
    given = locals()
    from bigdata_cli.export.head import run
    from bigdata_cli.export.options import HeadOptions

    with errors_name_arguments("head"):
        return run(accepted("path", path, PLACE), request_of(HeadOptions, given)).table


@understands_synonyms
def cat(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    where: str | Sequence[str] = (),
    split: str | None = None,
    rows: int | None = None,
    rejected: bool = False,
    format: Literal["csv", "jsonl", "arrow", "parquet"] = "csv",
    output: str | Path | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    header: bool | None = None,
    header_rows: int | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int | None = None,
    skip_footer: int | None = None,
    trailing_delimiter: bool | None = None,
    row_names: bool | None = None,
    short_rows: Literal["error", "null"] = "error",
    long_rows: Literal["error", "cut", "join"] = "error",
    repeated_header: Literal["keep", "drop"] = "keep",
    comment: str | None = None,
    trim: bool | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Sequence[str] | None = None,
    true: Sequence[str] | None = None,
    false: Sequence[str] | None = None,
    strip: str | None = None,
    date_format: Sequence[str] | None = None,
    text: bool | None = None,
    keep_blank_lines: bool = False,
    jsonl: bool | None = None,
    nested: Literal["refuse", "text"] = "refuse",
    encoding: str | None = None,
    on_bad_row: Literal["error", "skip"] = "error",
    cache: str | Path | None = None,
    cache_size: int | str = 10_000_000_000,
) -> "CatReport":
    r"""Write the rows of a dataset, or of a file, as CSV, JSON lines, an Arrow stream or Parquet.

    Args:
        path: The folder of a dataset, or whatever `convert` takes.
        columns: The only columns, in this order.
        where: Only the rows for which this is true, in SQL.
        split: Only the rows of this split of a dataset.
        rows: The first rows only. Default: all.
        rejected: In place of the rows, the records that the conversion set aside, with their places
            and reasons, as CSV.
        format: What to write: arrow is an Arrow IPC stream.
        output: The file to write; without it, standard output.
        delimiter: What separates fields: one or more characters, such as ';', tab, space or '::';
            whitespace: a run of spaces and tabs. Default: detected.
        quote: The character around quoted fields; none: there are no quotes. Default: ", or
            detected.
        escape: The character that makes the next one plain, such as '\'; none: there is none.
            Default: none, or detected.
        header: Whether the first row names the columns. Default: detected.
        header_rows: How many rows name the columns: their names are joined, from above, with
            spaces. Default: detected.
        names: The names of all columns, in place of a header; auto: those of the header, completed.
        skip_rows: Lines to leave out at the beginning of each file, before the header. Default:
            detected.
        skip_footer: Lines to leave out at the end of each file. Default: detected.
        trailing_delimiter: Whether rows end with a delimiter that no field follows. Default:
            detected.
        row_names: Whether the header has no name for the first column, which names rows, as R
            writes it. Default: detected.
        short_rows: A row with too few fields is a bad row, or missing fields are null.
        long_rows: A row with too many fields is a bad row, or the surplus is cut, or joined to the
            last text column.
        repeated_header: A row that repeats the header is kept, or left out.
        comment: Leave out lines that begin with it, such as '#'.
        trim: Whether to remove spaces around fields. Default: detected.
        decimal: Decimal mark of numbers.
        thousands: Mark between groups of three digits, such as ','. Default: none.
        null: Text that means null, in all columns or in one; replaces the default list. Default:
            empty NA N/A n/a NaN nan null NULL \N #N/A <NA>.
        true: Text that means true, besides true, True and TRUE.
        false: Text that means false, besides false, False and FALSE.
        strip: Characters around numbers to leave out, such as '$%'; a comma is left out between
            groups of three digits. Default: none.
        date_format: How dates and times are written, in all text columns or in one, such as
            %d/%m/%Y; auto: the only format that all sampled values have. Default: ISO 8601.
        text: Each line is a row of one column, text. Default: for .txt.
        keep_blank_lines: Blank lines of a text are rows too.
        jsonl: Each line is a JSON object; its keys are the columns. names lists all keys. Default:
            for .jsonl, .ndjson and .json.
        nested: An object or array within a JSON line: an error, or kept as its JSON text.
        encoding: Encoding of the file, such as cp1252 or utf-16-le. Default: UTF-8, or UTF-16 or
            UTF-32 with a byte order mark.
        on_bad_row: A record that cannot be kept is an error, or is left out and counted.
        cache: Keep the files of datasets at addresses in this folder, which processes may share.
        cache_size: Size of that folder at most; the files used longest ago are removed. Default:
            10GB.

    Returns:
        How many rows were written, and how many values the format does not carry.

    Raises:
        UsageError: There is no such file or column, or the output cannot be written.
        DataError: The rows cannot be read.
    """
    given = locals()
    from bigdata_cli.export.cat import run
    from bigdata_cli.export.options import CatOptions

    with errors_name_arguments("cat"):
        return run(accepted("path", path, PLACE), request_of(CatOptions, given))


@understands_synonyms
def diff(
    a: str | Path,
    b: str | Path,
    *,
    columns: Sequence[str] | None = None,
    rows: int = 10,
    sample: bool = False,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    header: bool | None = None,
    header_rows: int | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int | None = None,
    skip_footer: int | None = None,
    trailing_delimiter: bool | None = None,
    row_names: bool | None = None,
    short_rows: Literal["error", "null"] = "error",
    long_rows: Literal["error", "cut", "join"] = "error",
    repeated_header: Literal["keep", "drop"] = "keep",
    comment: str | None = None,
    trim: bool | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Sequence[str] | None = None,
    true: Sequence[str] | None = None,
    false: Sequence[str] | None = None,
    strip: str | None = None,
    date_format: Sequence[str] | None = None,
    text: bool | None = None,
    keep_blank_lines: bool = False,
    jsonl: bool | None = None,
    nested: Literal["refuse", "text"] = "refuse",
    encoding: str | None = None,
    cache: str | Path | None = None,
    cache_size: int | str = 10_000_000_000,
    progress: "bool | Callable[[RowsProgress], None] | None" = None,
) -> "DiffReport":
    r"""Compare two datasets or files: columns, rows, statistics, drift.

    Rows are compared by their order. A text or a foreign Parquet file is read twice, first for its
    types.

    Args:
        a: The folder of a dataset, or whatever `convert` takes.
        b: What it is compared with.
        columns: The only columns to compare.
        rows: Number of differing rows to show.
        sample: Compare samples only, in seconds: columns, statistics and drift, and no single rows.
        delimiter: What separates fields: one or more characters, such as ';', tab, space or '::';
            whitespace: a run of spaces and tabs. Default: detected.
        quote: The character around quoted fields; none: there are no quotes. Default: ", or
            detected.
        escape: The character that makes the next one plain, such as '\'; none: there is none.
            Default: none, or detected.
        header: Whether the first row names the columns. Default: detected.
        header_rows: How many rows name the columns: their names are joined, from above, with
            spaces. Default: detected.
        names: The names of all columns, in place of a header; auto: those of the header, completed.
        skip_rows: Lines to leave out at the beginning of each file, before the header. Default:
            detected.
        skip_footer: Lines to leave out at the end of each file. Default: detected.
        trailing_delimiter: Whether rows end with a delimiter that no field follows. Default:
            detected.
        row_names: Whether the header has no name for the first column, which names rows, as R
            writes it. Default: detected.
        short_rows: A row with too few fields is a bad row, or missing fields are null.
        long_rows: A row with too many fields is a bad row, or the surplus is cut, or joined to the
            last text column.
        repeated_header: A row that repeats the header is kept, or left out.
        comment: Leave out lines that begin with it, such as '#'.
        trim: Whether to remove spaces around fields. Default: detected.
        decimal: Decimal mark of numbers.
        thousands: Mark between groups of three digits, such as ','. Default: none.
        null: Text that means null, in all columns or in one; replaces the default list. Default:
            empty NA N/A n/a NaN nan null NULL \N #N/A <NA>.
        true: Text that means true, besides true, True and TRUE.
        false: Text that means false, besides false, False and FALSE.
        strip: Characters around numbers to leave out, such as '$%'; a comma is left out between
            groups of three digits. Default: none.
        date_format: How dates and times are written, in all text columns or in one, such as
            %d/%m/%Y; auto: the only format that all sampled values have. Default: ISO 8601.
        text: Each line is a row of one column, text. Default: for .txt.
        keep_blank_lines: Blank lines of a text are rows too.
        jsonl: Each line is a JSON object; its keys are the columns. names lists all keys. Default:
            for .jsonl, .ndjson and .json.
        nested: An object or array within a JSON line: an error, or kept as its JSON text.
        encoding: Encoding of the file, such as cp1252 or utf-16-le. Default: UTF-8, or UTF-16 or
            UTF-32 with a byte order mark.
        cache: Keep the files of datasets at addresses in this folder, which processes may share.
        cache_size: Size of that folder at most; the files used longest ago are removed. Default:
            10GB.
        progress: True shows a bar; a function is called with the rows that are compared, now and
            then.

    Returns:
        What differs; `is_equal` where nothing does.

    Raises:
        UsageError: There is no such file or column, or one is a pipe.
        DataError: The rows cannot be read.
    """
    given = locals()
    from bigdata_cli.comparison.options import DiffOptions
    from bigdata_cli.comparison.run import run

    with errors_name_arguments("diff"):
        options = request_of(DiffOptions, given)
        places = accepted("a", a, PLACE), accepted("b", b, PLACE)
        with progress_listener(progress) as listener:
            return run(*places, options, progress=listener)


@understands_synonyms
def train(
    dataset: "str | Path | Dataset",
    *,
    label: str | None = None,
    model: Literal["mlp", "linear", "xgboost", "lightgbm"] = "mlp",
    trees: int = 200,
    hidden: Sequence[int] = (16, 16, 16),
    dropout: float = 0.25,
    hash: Mapping[str, int] | None = None,
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam",
    lr: float | None = None,
    schedule: Literal["constant", "cosine", "linear", "step"] = "constant",
    warmup_steps: int = 0,
    l2: float | None = None,
    mixed_precision: bool = False,
    epochs: int | None = None,
    batch_size: int = 512,
    seed: int = 0,
    early_stopping: bool = False,
    patience: int | None = None,
    balanced: bool = False,
    sample: float | None = None,
    stratify: bool = False,
    bag: int | None = None,
    split: str | None = None,
    eval: "str | Path | Dataset | None" = None,
    metric: str | None = None,
    cv: int | None = None,
    cv_by: str | None = None,
    importance: bool = False,
    save: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    save_every: float = 600.0,
    history: str | Path | None = None,
    plot: str | Path | None = None,
    tensorboard: str | Path | None = None,
    report: str | Path | None = None,
    backend: Literal["tensorflow", "torch", "jax"] | None = None,
    strategy: Literal["auto", "none", "mirrored", "multiworker"] = "auto",
    devices: int | None = None,
    require_gpu: bool = False,
    memory_plot: str | Path | None = None,
    memory_log: str | Path | None = None,
    cache: str | Path | None = None,
    cache_size: int | str = 10_000_000_000,
    progress: "bool | Callable[[TrainProgress], None] | None" = None,
) -> "TrainReport":
    """Train a small perceptron on a dataset, streamed from its shards, and judge it.

    The label decides the task. bool, 0 and 1, or two categories: binary cross-entropy and AUC.
    Integers or categories with up to 100 values: cross-entropy and accuracy. Other numbers and
    times: mean squared error and RMSE. The metric is of rows that are held out, a fifth of them, up
    to 64 MB.

    Args:
        dataset: The dataset, or its folder.
        label: The column to learn. Default: the dataset's.
        model: A perceptron, the same without hidden layers, or boosted trees.
        trees: Rounds of boosting.
        hidden: Units of the hidden layers; none is a linear model.
        dropout: Share of the units that a step leaves out.
        hash: Learn from a text column by hashing it into this number of buckets.
        optimizer: The optimizer.
        lr: The learning rate. Default: 0.002, of trees 0.1.
        schedule: How the learning rate falls: not at all, along a cosine, linearly, or in two
            steps.
        warmup_steps: Raise the learning rate linearly from 0 during this number of steps.
        l2: The weight of the sum of squares of all weights, or of the leaves of trees, in the loss.
            Default: none; XGBoost 1.
        mixed_precision: Compute in bfloat16, with weights and the loss in float32.
        epochs: Passes over the rows. Default: enough for about 2,000 steps.
        batch_size: Rows of a step, of all devices together.
        seed: Of all that is random.
        early_stopping: Stop when the metric no longer gets better, and keep the best model; by rows
            that are neither trained on nor in the metric of the report.
        patience: Stop after this number of epochs, or trees, without a better metric. Default: 5,
            of trees 20.
        balanced: Weight the rows so that all classes count equally.
        sample: Train on a share of the rows, the same in every epoch.
        stratify: Sample each class by itself, so that shares stay the same.
        bag: Train N models, each on its own sample, and average them; save names a folder.
        split: Of a dataset with splits, the one to train on. Default: train, where there is one.
        eval: Hold out a slice of the rows, "[80%:]", or measure on another split or dataset.
            Default: a fifth of the rows, held out.
        metric: What the model is judged by. Default: auc for two values, accuracy for classes, rmse
            for numbers.
        cv: Cross-validate: train K models, each measured on the K-th of the rows it has not seen.
        cv_by: Keep rows with the same value of this column in the same fold.
        importance: Show how much worse the metric gets when a column is shuffled.
        save: Write the model to a .keras file after every epoch, trees to a .trees file.
        resume: Go on from the file of save, where it is there.
        force: Replace the file of save.
        save_every: Also write the model within an epoch, each time after this number of seconds.
        history: Write the losses of each step as a CSV, with the held-out ones at the end of each
            epoch.
        plot: Draw the losses into a .png, .svg or .pdf (extra: plot).
        tensorboard: Write losses, metric and learning rate for TensorBoard into this folder.
        report: Write an HTML page: curves, ROC, confusion, calibration, importance, memory,
            throughput.
        backend: What Keras runs on. Default: what is installed, TensorFlow first.
        strategy: One device, all of this machine, or workers (TF_CONFIG, torchrun).
        devices: Number of GPUs to train on; without a GPU, of logical CPUs, to rehearse.
        require_gpu: Fail if there is no GPU.
        memory_plot: Draw memory over time into a .png, .svg or .pdf (extra: plot).
        memory_log: Write memory over time as a CSV: seconds, rss_bytes, phase.
        cache: Keep the files of datasets at addresses in this folder, which processes may share.
        cache_size: Size of that folder at most; the files used longest ago are removed. Default:
            10GB.
        progress: True shows a bar; a function is called with the step and the loss, now and then.

    Returns:
        What was trained, and whether the model learned: one that did not is no exception.

    Raises:
        UsageError: The label cannot be learned, or the devices are not there.
        MissingDependencyError: The backend is not installed.
        VerificationError: The shards are not what the manifest says.
    """
    given = locals()
    from bigdata_cli.training.options import TrainOptions
    from bigdata_cli.training.run import run

    with errors_name_arguments("train"):
        options = request_of(TrainOptions, given)
        with progress_listener(progress) as listener:
            return run(dataset, options, progress=listener)


@understands_synonyms
def predict(
    model: "str | Path | TrainedModel | Bag",
    dataset: "str | Path | Dataset",
    *,
    output: str | Path,
    columns: Sequence[str] = (),
    probabilities: bool = False,
    batch_size: int = 16_384,
    backend: Literal["tensorflow", "torch", "jax"] | None = None,
    force: bool = False,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    header: bool | None = None,
    header_rows: int | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int | None = None,
    skip_footer: int | None = None,
    trailing_delimiter: bool | None = None,
    row_names: bool | None = None,
    short_rows: Literal["error", "null"] = "error",
    long_rows: Literal["error", "cut", "join"] = "error",
    repeated_header: Literal["keep", "drop"] = "keep",
    comment: str | None = None,
    trim: bool | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Sequence[str] | None = None,
    true: Sequence[str] | None = None,
    false: Sequence[str] | None = None,
    strip: str | None = None,
    date_format: Sequence[str] | None = None,
    text: bool | None = None,
    keep_blank_lines: bool = False,
    jsonl: bool | None = None,
    nested: Literal["refuse", "text"] = "refuse",
    encoding: str | None = None,
    on_bad_row: Literal["error", "skip"] = "error",
    memory_plot: str | Path | None = None,
    memory_log: str | Path | None = None,
    cache: str | Path | None = None,
    cache_size: int | str = 10_000_000_000,
    progress: "bool | Callable[[PredictProgress], None] | None" = None,
) -> "PredictReport":
    r"""Write what a model says of every row of a dataset, or of a file, in its order.

    The file holds first the columns that were asked for, and then, by the label that the model
    learned: of two values `probability` (float64), that of the second one; of classes `prediction`,
    the value, and `probability`; of a number or time `prediction`, in the label's units. Memory
    holds one block of rows.

    Args:
        model: A `.keras` file that `train` saved, or the folder of a bag, whose members'
            probabilities (or numbers) are averaged.
        dataset: The dataset, or its folder; or a file (CSV, JSON lines, Parquet), whose rows become
            such of the dataset that the model was trained on first.
        output: A .parquet or .csv file, or - for CSV on standard output.
        columns: Columns of the dataset, or of the file, to write before the predictions.
        probabilities: Also write the probability of every value of the label.
        batch_size: Rows that are in memory at a time.
        backend: What Keras runs on. Default: what the model was trained on.
        force: Replace the output where it exists.
        delimiter: What separates fields: one or more characters, such as ';', tab, space or '::';
            whitespace: a run of spaces and tabs. Default: detected.
        quote: The character around quoted fields; none: there are no quotes. Default: ", or
            detected.
        escape: The character that makes the next one plain, such as '\'; none: there is none.
            Default: none, or detected.
        header: Whether the first row names the columns. Default: detected.
        header_rows: How many rows name the columns: their names are joined, from above, with
            spaces. Default: detected.
        names: The names of all columns, in place of a header; auto: those of the header, completed.
        skip_rows: Lines to leave out at the beginning of each file, before the header. Default:
            detected.
        skip_footer: Lines to leave out at the end of each file. Default: detected.
        trailing_delimiter: Whether rows end with a delimiter that no field follows. Default:
            detected.
        row_names: Whether the header has no name for the first column, which names rows, as R
            writes it. Default: detected.
        short_rows: A row with too few fields is a bad row, or missing fields are null.
        long_rows: A row with too many fields is a bad row, or the surplus is cut, or joined to the
            last text column.
        repeated_header: A row that repeats the header is kept, or left out.
        comment: Leave out lines that begin with it, such as '#'.
        trim: Whether to remove spaces around fields. Default: detected.
        decimal: Decimal mark of numbers.
        thousands: Mark between groups of three digits, such as ','. Default: none.
        null: Text that means null, in all columns or in one; replaces the default list. Default:
            empty NA N/A n/a NaN nan null NULL \N #N/A <NA>.
        true: Text that means true, besides true, True and TRUE.
        false: Text that means false, besides false, False and FALSE.
        strip: Characters around numbers to leave out, such as '$%'; a comma is left out between
            groups of three digits. Default: none.
        date_format: How dates and times are written, in all text columns or in one, such as
            %d/%m/%Y; auto: the only format that all sampled values have. Default: ISO 8601.
        text: Each line is a row of one column, text. Default: for .txt.
        keep_blank_lines: Blank lines of a text are rows too.
        jsonl: Each line is a JSON object; its keys are the columns. names lists all keys. Default:
            for .jsonl, .ndjson and .json.
        nested: An object or array within a JSON line: an error, or kept as its JSON text.
        encoding: Encoding of the file, such as cp1252 or utf-16-le. Default: UTF-8, or UTF-16 or
            UTF-32 with a byte order mark.
        on_bad_row: A record of a file that cannot be kept is an error, or gets no prediction and is
            counted.
        memory_plot: Draw memory over time into a .png, .svg or .pdf (extra: plot).
        memory_log: Write memory over time as a CSV: seconds, rss_bytes, phase.
        cache: Keep the files of datasets at addresses in this folder, which processes may share.
        cache_size: Size of that folder at most; the files used longest ago are removed. Default:
            10GB.
        progress: True shows a bar; a function is called with the number of rows that are predicted,
            now and then.

    Returns:
        What was written and, where the dataset has the label, how good it is.

    Raises:
        UsageError: The dataset has not the columns that the model reads, or the output exists.
        DataError: The model is damaged.
    """
    given = locals()
    from bigdata_cli.training.predict import run
    from bigdata_cli.training.predict_options import PredictOptions

    with errors_name_arguments("predict"):
        options = request_of(PredictOptions, given)
        with progress_listener(progress) as listener:
            return run(model, dataset, options, progress=listener)


@understands_synonyms
def verify(
    path: str | Path,
    *,
    source: str | Path | Sequence[str | Path] | None = None,
    jobs: int | None = None,
    engine: Literal["local", "processes", "dask", "ray"] | Executor = "local",
    scheduler: str | None = None,
    cache: str | Path | None = None,
    cache_size: int | str = 10_000_000_000,
    progress: "bool | Callable[[VerifyProgress], None] | None" = None,
) -> "VerifyReport":
    """Check every file of a dataset, and its values against its source.

    Size, checksum, rows and columns of every file are compared with the manifest. It goes on after
    a difference, so that the report has them all. Files that look like shards of the dataset but
    are not in the manifest are differences too.

    Args:
        path: The folder of the dataset.
        source: What the dataset was made from, as given to convert. It is read again, with the
            dialect of the manifest, and every value is compared.
        jobs: Threads. Default: all processors.
        engine: Who does the work: threads of this process, processes, or the workers of a cluster.
            The dataset is the same.
        scheduler: Address of a Dask scheduler, such as tcp://host:8786, or of a Ray cluster.
            Default: DASK_SCHEDULER_ADDRESS or RAY_ADDRESS, or else processes of this machine, as
            many as jobs.
        cache: Keep the files of datasets at addresses in this folder, which processes may share.
        cache_size: Size of that folder at most; the files used longest ago are removed. Default:
            10GB.
        progress: True shows a bar; a function is called with the bytes and rows that are checked,
            now and then.

    Returns:
        The differences. Damaged shards are in it, and are no exception.

    Raises:
        UsageError: There is no dataset, or the source cannot be what it was made of.
        VerificationError: The manifest cannot be read.
    """
    given = locals()
    from bigdata_cli.verification.options import VerifyOptions
    from bigdata_cli.verification.run import run

    with errors_name_arguments("verify"):
        path = accepted("path", path, PLACE)
        options = request_of(VerifyOptions, given)
        with progress_listener(progress) as listener:
            return run(path, options, progress=listener)


@understands_synonyms
def push(
    path: str | Path,
    to: str,
    *,
    private: bool = False,
    license: str | None = None,
    dry_run: bool = False,
) -> "PushReport":
    """Publish a dataset, with a card that says what is in it.

    Args:
        path: The folder of the dataset, or its address.
        to: `hf://datasets/USER/NAME`, a repository of Hugging Face, which is made where it is not
            there; for `kaggle://USER/NAME` the file that Kaggle needs is written beside the
            dataset.
        private: Only you see a repository that is made for it.
        license: License of the dataset, such as cc-by-4.0, by the name that the target uses.
            Default: that of the card which is there, or none.
        dry_run: Show what would be sent; send nothing.

    Returns:
        What was sent, and where it is to be seen; for Kaggle the command that sends it.

    Raises:
        UsageError: It cannot go there, or you may not write there.
        SourceLostError: The server cannot be reached; the same call goes on.
        VerificationError: A file of the dataset is missing, or has another size.
    """
    given = locals()
    from bigdata_cli.publishing.options import PushOptions
    from bigdata_cli.publishing.push import run

    with errors_name_arguments("push"):
        path = accepted("path", path, PLACE)
        return run(path, accepted("to", to, TEXT), request_of(PushOptions, given))


def doctor() -> "DoctorReport":
    """Check this installation, and show what this machine has.

    A small dataset of each format is written, verified and read in a temporary folder; the
    installed frameworks are asked for their GPUs in processes of their own.

    Returns:
        The checks; `passed` where none failed.
    """
    from bigdata_cli.diagnosis.run import run

    return run()


def clean(path: str | Path, *, dry_run: bool = False) -> "CleanReport":
    """Remove what conversions that do not go on have left in a folder, or at an address.

    A dataset stays as it is; one that was nearly finished is finished.

    Args:
        path: The output of these conversions.
        dry_run: Show what would be removed; remove nothing.

    Returns:
        What was removed.

    Raises:
        UsageError: Nothing is there that a conversion wrote, or one is at work there.
    """
    from bigdata_cli.conversion.clean import run

    return run(accepted("path", path, PLACE), dry_run=accepted("dry_run", dry_run, FLAG))


@understands_synonyms
def sample(
    kind: Literal["transactions", "sensors", "messy", "log"],
    *,
    rows: int | None = None,
    size: int | str | None = None,
    seed: int = 0,
    fraud_share: float = 0.0013,
    output: str | Path | None = None,
    progress: "bool | Callable[[RowsProgress], None] | None" = None,
) -> int:
    """Write sample data from a seed: the same bytes for the same kind, rows and seed.

    Args:
        kind: Mobile-money transactions, few of them fraud; floats of sensors and a label; messy
            text with quotes, nulls, unicode and dates; or lines of a log.
        rows: Rows, without the header.
        size: About the size of the file, in place of rows, such as 100MB.
        seed: The same seed makes the same bytes.
        fraud_share: Share of fraud among the transactions.
        output: The file to write; without it, standard output.
        progress: True shows a bar; a function is called with the rows that are written, now and
            then.

    Returns:
        The bytes that were written.

    Raises:
        UsageError: An argument is out of range, or the file cannot be written.
    """
    given = locals()
    from bigdata_cli.samples.options import SampleOptions
    from bigdata_cli.samples.write import run

    with errors_name_arguments("sample"):
        options = request_of(SampleOptions, given)
        with progress_listener(progress) as listener:
            return run(options, progress=listener)
