"""Files at addresses: what is there, and their bytes, read in ranges that are asked for again."""
