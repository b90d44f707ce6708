"""Faults are shown at cells too."""

from tests.cells.conftest import cells as cells
