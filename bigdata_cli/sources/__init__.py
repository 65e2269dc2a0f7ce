"""Where rows come from: CSV and text, and tables; what a conversion asks of a source."""
