"""The version of this package. It is written here and in pyproject.toml."""

__version__ = "0.1.0"
