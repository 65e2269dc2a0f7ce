"""Selections of rows that follow from a pass over all of them."""
