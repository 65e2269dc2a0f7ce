"""Conversion: plan, shards, reconciliation, commit."""
