"""Checks of a dataset against its manifest and its source."""
