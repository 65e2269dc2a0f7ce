"""A small model on a dataset: the proof that it can be trained on."""
