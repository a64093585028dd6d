"""Undocumented interfaces of other packages, a file a package.

Each name stands in the table of ``tests/internals/test_assumptions.py`` too, and in
``docs/compatibility.md``; nothing else in this package reaches past a public interface.
"""
