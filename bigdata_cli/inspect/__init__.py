"""What is in a CSV or a dataset, and what it costs in memory."""

from bigdata_cli.callable_package import make_callable

make_callable(__name__, "bigdata_cli.inspect.run:inspect")
