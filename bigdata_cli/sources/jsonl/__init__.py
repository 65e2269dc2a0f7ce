"""JSON lines as a source: an object a line, its keys the columns."""
