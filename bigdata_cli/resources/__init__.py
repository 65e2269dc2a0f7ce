"""Limits, budgets and records of memory; disk; sizes as text."""
