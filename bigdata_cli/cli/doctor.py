"""`bigdata doctor`."""

from __future__ import annotations

import itertools

import click

from bigdata_cli.cli.options import json_option


@click.command("doctor")
@json_option
@click.pass_context
def doctor_command(ctx: click.Context, *, as_json: bool) -> None:
    """Check this installation, and show what this machine has.

    Memory, disk and processors as this process may use them; packages and extras, with the command
    that installs what is missing; the GPUs that TensorFlow, PyTorch and JAX see. A small dataset of
    each format is written, verified and read. Exit status 1 where something does not work.

    \b
    bigdata doctor
    bigdata doctor --json
    """
    from bigdata_cli.api import doctor
    from bigdata_cli.cli.render import emit_json, print_pairs, print_title

    report = doctor()
    if as_json:
        emit_json(report.to_json())
    else:
        for topic, checks in itertools.groupby(report.checks, key=lambda check: check.topic):
            print_title(topic)
            marks = {"ok": "", "note": "", "failed": "FAILED: "}
            lines = {}
            for check in checks:
                fix = "" if check.hint is None else f"; {check.hint}"
                lines[check.name] = f"{marks[check.status]}{check.found}{fix}"
            print_pairs(lines)
            click.echo()
        click.echo(
            "Everything works." if report.passed else "Something does not work: see FAILED above."
        )
    if not report.passed:
        ctx.exit(1)
