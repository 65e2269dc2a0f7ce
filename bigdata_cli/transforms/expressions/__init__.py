"""Expressions of SQL on the columns of a chunk: parsed by sqlglot, computed by pyarrow."""
