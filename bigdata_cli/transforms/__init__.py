"""Steps on the rows of a source, between parsing and batching: from chunk to chunk."""
