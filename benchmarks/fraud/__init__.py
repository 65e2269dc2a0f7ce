"""Fraud detection when the data do not fit in memory: what others do, and what the shards allow.

What G. Marmerola, "Training models when data doesn't fit in memory" (2020), did, done again side
by side on transactions like PaySim's: see docs/fraud.md.
"""
