"""Output formats, one file each, both directions."""
