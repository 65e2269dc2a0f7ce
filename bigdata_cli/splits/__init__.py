"""Splits of a dataset: which rows are for training, validation and test."""
