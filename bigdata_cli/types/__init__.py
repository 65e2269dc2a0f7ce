"""Column types: pure functions and frozen values, no I/O."""
