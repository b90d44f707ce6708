"""Foundation models inside the notebook: call, compare and run them with one cell magic."""

__version__ = "0.1.0"
