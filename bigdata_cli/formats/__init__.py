"""Output formats, a folder each, both directions."""
