"""Sample data from a seed: the same bytes for the same kind, rows and seed, of any size.

Rows are made in blocks of fixed length, and block i from SeedSequence([seed, i]) alone, so that
memory does not depend on the number of rows and a longer file begins with the rows of a shorter
one (but for the column `step` of the transactions, which rises over the whole file).
"""
