"""Engines: how the shards of a conversion are mapped to workers."""
