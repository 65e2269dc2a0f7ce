"""`python -m benchmarks.fraud` is `python -m benchmarks.fraud.run`."""

import sys

from benchmarks.fraud.run import main

if __name__ == "__main__":
    sys.exit(main())
