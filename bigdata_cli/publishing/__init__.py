"""Datasets for others: at Hugging Face with a card, for Kaggle with its metadata."""
