"""Conversions with random options, compared with a slow reference in plain Python."""
