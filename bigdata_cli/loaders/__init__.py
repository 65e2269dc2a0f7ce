"""Rows of a dataset as the arrays that a library takes."""
