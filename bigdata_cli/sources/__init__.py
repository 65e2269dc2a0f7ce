"""Sources of rows: CSV and text, tables; the protocol that a conversion needs."""
