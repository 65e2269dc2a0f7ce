"""Machine code: the C library, how it is compiled, checked and loaded, and what it offers."""
