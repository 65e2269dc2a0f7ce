"""Steps on single columns: a file and a line of the registry for each."""
