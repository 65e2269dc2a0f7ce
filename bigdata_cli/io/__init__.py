"""Bytes of files, archives and pipes; character sets, locks."""
