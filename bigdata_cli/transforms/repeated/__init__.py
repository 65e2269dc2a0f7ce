"""Which rows repeat another one, in bounded memory: keys of rows, sorted apart on the disk."""
