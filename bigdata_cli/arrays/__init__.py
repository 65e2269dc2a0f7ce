"""Columns of Arrow tables as NumPy arrays and matrices, and back: the only place."""
