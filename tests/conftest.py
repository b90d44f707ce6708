"""Every test gets a home folder of its own, and the embedded model where it asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

MODELS = Path(__file__).parents[1] / ".models"


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """A temporary FMNB_HOME, so that no test reads or writes the user's settings, log or models."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FMNB_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def embedded_path() -> Path:
    """The embedded model's file, brought once into the repository's ignored models folder."""
    from fmnb._loop import drain
    from fmnb.catalog import weights
    from fmnb.catalog.pull import pull

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMNB_MODELS", str(MODELS))
        for _ in drain(pull("embedded")):
            pass
        path = weights.locate("embedded")
    assert path is not None
    return path
