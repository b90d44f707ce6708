"""Calls as users write them: mypy reads them (tests/test_typed.py), and what has the right types also runs."""
