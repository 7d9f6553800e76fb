"""Makes `kinds.py` importable for all tests below this folder."""
