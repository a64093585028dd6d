"""The parts of ``tools/collapse_map.py``: policies to start from, runs, a table and a picture."""
