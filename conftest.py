"""The fixtures of the tests for the doctests in `fmnb/`: no doctest reads or writes the user's settings, log or models."""

from tests.conftest import fresh_kernel_state, home, no_network, waits  # noqa: F401
