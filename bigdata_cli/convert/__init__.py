"""Conversion: plan, shards, reconciliation, commit."""

from bigdata_cli.callable_package import make_callable

make_callable(__name__, "bigdata_cli.convert.run:convert")
