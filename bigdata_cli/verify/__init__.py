"""Does a dataset still hold what its manifest says, and what its source says?"""

from bigdata_cli.callable_package import make_callable
from bigdata_cli.verify.report import Finding, VerifyProgress, VerifyReport
from bigdata_cli.verify.run import verify

__all__ = ["Finding", "VerifyProgress", "VerifyReport", "verify"]

# `bigdata_cli.verify` is this package and the function of the public API.
make_callable(__name__, "bigdata_cli.verify.run:verify")
