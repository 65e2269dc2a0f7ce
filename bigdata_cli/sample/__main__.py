"""`python -m bigdata_cli.sample KIND --rows N`."""

from bigdata_cli.cli.sample import sample

if __name__ == "__main__":
    sample(prog_name="python -m bigdata_cli.sample")
