"""Rows scattered to buckets: what a conversion keeps until they are read in another order."""
