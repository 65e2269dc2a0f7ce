"""Bytes in: files, dialects, record-aligned blocks, and their records as typed chunks."""

from bigdata_cli.sources.source import Source, SourceFile, SourceOptions, open_source

__all__ = ["Source", "SourceFile", "SourceOptions", "open_source"]
