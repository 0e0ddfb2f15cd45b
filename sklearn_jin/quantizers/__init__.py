"""Quantizers: transformers that make short codes of vectors."""
