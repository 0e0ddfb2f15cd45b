"""The published algorithms, one a file: arrays in, a record out."""
