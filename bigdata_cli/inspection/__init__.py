"""What is in a source or a dataset, and what it costs in memory."""
