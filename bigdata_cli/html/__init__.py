"""Pages of HTML: their frame and style, and what is on them."""
