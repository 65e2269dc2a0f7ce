"""`python -m bigdata_cli` is `bigdata`."""

from bigdata_cli.cli import main

if __name__ == "__main__":
    main()
