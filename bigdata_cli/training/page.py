"""The report of a training as an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from bigdata_cli.html.charts import Line, line_chart
from bigdata_cli.html.frame import header, page
from bigdata_cli.html.markup import bars, named, table, text, tile
from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.resources.recorder import MemoryRecord
from bigdata_cli.resources.sizes import format_duration, format_size
from bigdata_cli.training.course import LoopResult
from bigdata_cli.training.diagnostics import Diagnostics, diagnostics_of
from bigdata_cli.training.evaluate import HoldOutResult
from bigdata_cli.training.loss_plot import mean_curve
from bigdata_cli.training.report import TrainReport

MAX_COLUMNS = 40
MAX_CLASSES = 25
_UNIT = (0.0, 1.0)
_DIAGONAL = Line(name="no better than chance", points=((0, 0), (1, 1)), kind="faint")


def training_page(
    report: TrainReport, hold_out: HoldOutResult, target: Target, course: LoopResult | None
) -> str:
    """Return the page of a training.

    Args:
        report: What is known.
        hold_out: The predictions of rows that were not trained on.
        target: The label.
        course: The losses of each step; None where several models were trained.
    """
    found = diagnostics_of(target, hold_out.logits, hold_out.y)
    sections = [
        header(str(report.dataset), _facts(report)),
        f'<div class="tiles">{"".join(_tiles(report))}</div>',
        _verdict(report),
        *(f'<p class="warn">{text(note)}</p>' for note in report.notes),
        _curves(report, course),
        _several(report),
        _predictions(report, found, target),
        _confusion(found, target),
        _importance(report),
        _throughput(report),
        _memory(report.memory, report),
    ]
    return page(str(report.dataset), sections, command="train")


def _verdict(report: TrainReport) -> str:
    kind, word = ("", "Passed") if report.passed else (' class="warn"', "Failed")
    return f"<p{kind}>{word}: {text(report.reason)}.</p>"


def _facts(report: TrainReport) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return [
        report.model,
        f"label {report.label} ({report.task})",
        f"{len(report.features):,} columns",
        ", ".join(report.devices),
        versions,
        datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
    ]


def _tiles(report: TrainReport) -> list[str]:
    value = report.metric_value
    where = f"{report.evaluated_rows:,} rows not trained on"
    if report.fold_metrics:
        where = f"mean of {len(report.fold_metrics)} folds"
    trained = f"{report.trees:,} trees" if report.trees else f"{report.epochs:,} epochs"
    return [
        tile("not defined" if value is None else f"{value:.4g}", f"{report.metric}, {where}"),
        tile(
            f"{report.held_out_loss:.4g}",
            f"loss, where a constant has {report.constant_loss:.4g}",
        ),
        tile(f"{report.trained_rows:,}", f"rows, {trained}"),
        tile(format_duration(report.seconds), f"{report.rows_per_second:,.0f} rows/s"),
        tile(format_size(report.peak_memory_bytes), "peak memory"),
    ]


def _curves(report: TrainReport, course: LoopResult | None) -> str:
    if course is None or not len(course.losses):
        return ""
    unit = "tree" if report.trees else "step"
    ends = np.cumsum(course.epoch_steps).tolist()
    watched = [
        (end, record.watched)
        for end, record in zip(ends, course.records, strict=False)
        if record.watched is not None
    ]
    best = next(
        (
            end
            for end, record in zip(ends, course.records, strict=False)
            if record.epoch == course.best_epoch
        ),
        None,
    )
    mark = None if best is None else (float(best), "the best, which is kept")
    losses = [
        Line(name="untrained", points=_curve(course.untrained_losses), kind="faint"),
        Line(name="in training", points=_curve(course.losses)),
        _watched_line([(end, one.loss) for end, one in watched]),
    ]
    metrics = [_watched_line([(end, one.value) for end, one in watched])]
    charts = [
        line_chart("Loss", losses, x=f"{unit}s", y="loss", mark=mark),
        line_chart(report.metric, metrics, x=f"{unit}s", y=report.metric, mark=mark),
    ]
    rates = course.learning_rates
    if len(np.unique(rates)) > 1:
        points = list(enumerate(rates.tolist(), start=1))
        every = max(1, len(points) // 400)
        line = Line(name="of each step", points=points[::every])
        charts.append(line_chart("Learning rate", [line], x="steps", y="learning rate"))
    return _charts("Course", charts)


def _watched_line(points: Sequence[tuple[float, float]]) -> Line:
    return Line(name="not trained on", points=points, kind="second")


def _curve(values: np.ndarray) -> list[tuple[float, float]]:
    steps, means = mean_curve(values)
    return list(zip(steps.tolist(), means.tolist(), strict=True))


def _charts(title: str, charts: Sequence[str], note: str = "") -> str:
    shown = [chart for chart in charts if chart]
    if not shown:
        return ""
    below = f'<p class="note">{text(note)}</p>' if note else ""
    return f'<h2>{text(title)}</h2>{below}<div class="charts">{"".join(shown)}</div>'


def _several(report: TrainReport) -> str:
    """The metric of each fold."""
    values = report.fold_metrics
    if not values:
        return ""
    rows = [
        (f"fold {place}", (abs(value or 0.0),), "not defined" if value is None else f"{value:.4g}")
        for place, value in enumerate(values, start=1)
    ]
    return (
        f"<h2>Folds</h2><p class=note>The {text(report.metric)} of each model on the rows that it "
        f'has not seen.</p><div class="card bars">{bars(rows)}</div>'
    )


def _predictions(report: TrainReport, found: Diagnostics, target: Target) -> str:
    charts = []
    if found.roc:
        charts.append(
            line_chart(
                "ROC",
                [Line(name="the model", points=found.roc), _DIAGONAL],
                x="false positive rate",
                y="true positive rate",
                x_range=_UNIT,
                y_range=_UNIT,
            )
        )
        charts.append(
            line_chart(
                "Precision and recall",
                [Line(name="the model", points=found.precision_recall)],
                x="recall",
                y="precision",
                x_range=_UNIT,
                y_range=_UNIT,
            )
        )
    charts.append(_calibration(found, target))
    return _charts("Predictions", charts, "Of rows that the model was not trained on.")


def _calibration(found: Diagnostics, target: Target) -> str:
    """Tenths of the rows by their prediction, and what came of each."""
    ends = None if target.task is Task.REGRESSION else _UNIT
    names = {
        Task.BINARY: ("mean probability", "share of the positive class"),
        Task.CLASSES: ("mean probability of the likeliest class", "share where it was right"),
        Task.REGRESSION: ("mean prediction", f"mean {target.column.name}"),
    }
    x, y = names[target.task]
    both = [value for point in found.calibration for value in point] or [0.0]
    low, high = ends or (min(both), max(both))
    return line_chart(
        "Calibration",
        [
            Line(name="as predicted", points=((low, low), (high, high)), kind="faint"),
            Line(name="tenths of the rows", points=found.calibration, kind="second"),
        ],
        x=x,
        y=y,
        x_range=ends,
        y_range=ends,
    )


def _confusion(found: Diagnostics, target: Target) -> str:
    counts = found.confusion
    if counts is None or not counts.sum():
        return ""
    names = [target.class_name(code) for code in range(len(counts))]
    order = np.argsort(-counts.sum(axis=1), kind="stable")[:MAX_CLASSES]
    order = np.sort(order)
    head = ["label \\ predicted", *(str(names[code]) for code in order), "right"]
    rows = []
    for label in order:
        total = int(counts[label].sum())
        cells = [f"{counts[label, other]:,}" for other in order]
        share = f"{100 * counts[label, label] / total:.3g} %" if total else ""
        rows.append([named(names[label]), *cells, share])
    hidden = len(counts) - len(order)
    more = f" The {hidden:,} rarest classes are left out." if hidden else ""
    return (
        f'<h2>Confusion</h2><p class="note">Rows by their label and by the likeliest value.{more}'
        f"</p>{table(head, rows, numbers=set(range(1, len(head))))}"
    )


def _importance(report: TrainReport) -> str:
    if not report.importance:
        return ""
    shown = report.importance[:MAX_COLUMNS]
    rows = [(one.column, (max(0.0, one.mean),), f"{one.mean:.3g} ± {one.std:.2g}") for one in shown]
    hidden = len(report.importance) - len(shown)
    more = f'<p class="note">and {hidden:,} columns that matter less</p>' if hidden else ""
    return (
        f'<h2>Importance</h2><p class="note">How much worse the {text(report.metric)} is where the '
        "values of a column are shuffled. What another column tells as well shows little.</p>"
        f'<div class="card bars">{bars(rows)}{more}</div>'
    )


def _throughput(report: TrainReport) -> str:
    pace = report.pace
    if pace is None:
        return ""
    return f"<h2>Throughput</h2><p>{text(pace.sentence())}</p>"


def _memory(record: MemoryRecord | None, report: TrainReport) -> str:
    if record is None:
        return ""
    points = [(sample.seconds, sample.rss_bytes / 1e6) for sample in record.samples]
    predicted = report.predicted_memory_bytes
    lines = [Line(name="resident memory", points=points)]
    if predicted is not None:
        end = points[-1][0]
        lines.append(
            Line(
                name="peak as predicted",
                points=((0.0, predicted / 1e6), (end, predicted / 1e6)),
                kind="faint",
            )
        )
    top = max(record.peak_bytes, predicted or 0) / 1e6
    chart = line_chart("Memory", lines, x="seconds", y="MB", y_range=(0.0, 1.1 * top))
    phases = ", ".join(
        f"{name} {format_duration(seconds)}" for name, seconds in record.phase_seconds().items()
    )
    return _charts("Memory", [chart], f"Phases: {phases}." if phases else "")
