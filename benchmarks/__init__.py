"""Measurements and checks on big inputs; each module is a command: `python -m benchmarks.NAME`."""
