"""Whether a dataset still holds what its manifest says, and what its source says."""
