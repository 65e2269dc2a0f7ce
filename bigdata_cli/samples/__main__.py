"""`python -m bigdata_cli.samples KIND --rows N` is `bigdata sample KIND --rows N`."""

import sys

from bigdata_cli.cli import main

if __name__ == "__main__":
    main(["sample", *sys.argv[1:]])
