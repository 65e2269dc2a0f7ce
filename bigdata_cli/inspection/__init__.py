"""Reports of what is in a source or a dataset, and what it costs."""
