"""A cached answer belongs to the weights that gave it, not to the name they are called by."""

import shutil

import pytest

import fmnb as fm
from fmnb.catalog import resolve


@pytest.mark.weights
def test_a_changed_file_of_the_same_name_is_asked_again(embedded_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(embedded_path, "model.gguf")
    asked = [fm.ask("Say hi.", "path:model.gguf", max_tokens=3).source for _ in range(2)]
    assert asked == ["live", "cached"]
    shutil.copy(embedded_path, "model.gguf")  # another file, as far as its dates tell
    resolve.forget_backends()
    assert fm.ask("Say hi.", "path:model.gguf", max_tokens=3).source == "live"
