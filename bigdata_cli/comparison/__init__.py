"""Two datasets or files beside each other: their columns, rows, values, and how these drift."""
