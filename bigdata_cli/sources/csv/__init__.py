"""CSV and text: dialects, record-aligned blocks, and their records as typed chunks."""
