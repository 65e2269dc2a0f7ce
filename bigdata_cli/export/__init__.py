"""Rows out again: to standard output or a file, and as a table to look at."""
