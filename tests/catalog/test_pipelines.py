"""Repositories that hold a picture-making pipeline: which files are brought, and that they draw."""

from __future__ import annotations

import json

import pytest

from fmnb.catalog import pipelines, weights
from fmnb.catalog.resolve import forget_backends, resolve
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import build_response
from fmnb.core.types import Request, message
from fmnb.engines import loaded
from tests.catalog.test_fetch import hub, server  # noqa: F401  (fixtures)

INDEX = {"_class_name": "P", "unet": ["diffusers", "U"], "vae": ["diffusers", "A"], "safety_checker": [None, None]}
NAMES = [
    "README.md", "model_index.json", "v1-5-pruned.safetensors", "unet/config.json", "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.safetensors.index.json", "unet/diffusion_pytorch_model.safetensors.index.fp16.json",
    "unet/diffusion_pytorch_model-00001-of-00002.safetensors", "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
    "unet/diffusion_pytorch_model.fp16-00001-of-00001.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors", "unet/model.onnx",
    "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "vae_1_0/diffusion_pytorch_model.safetensors",
]  # fmt: skip


def test_one_set_of_weights_is_taken_and_only_of_parts_that_are_named():
    parts = pipelines.parts_of(INDEX)
    assert parts == ["unet", "vae"]
    whole = pipelines.files_of(NAMES, parts, half=False)
    assert whole == [
        "unet/config.json",
        "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
        "unet/diffusion_pytorch_model.safetensors.index.json",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "model_index.json",
    ]
    half = pipelines.files_of(NAMES, parts, half=True)
    assert "unet/diffusion_pytorch_model.fp16-00001-of-00001.safetensors" in half and len(half) == 6
    assert "unet/diffusion_pytorch_model.safetensors.index.fp16.json" in half
    assert "vae/diffusion_pytorch_model.safetensors" in half  # there is no other


def test_a_pipeline_with_a_missing_shard_is_not_complete(tmp_path):
    for name in pipelines.files_of(NAMES, ["unet", "vae"], half=False):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "model_index.json").write_text(json.dumps(INDEX))
    shards = {"a": "diffusion_pytorch_model-00001-of-00002.safetensors", "b": "diffusion_pytorch_model-00002-of-00002.safetensors"}
    (tmp_path / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert pipelines.complete(tmp_path)
    (tmp_path / "unet" / shards["b"]).unlink()
    assert not pipelines.complete(tmp_path)


def test_a_pipeline_is_pulled_from_the_hub_and_draws(hub, server, tmp_path):  # noqa: F811
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    from tests.engines import tiny_pipeline

    made = tiny_pipeline.save(tmp_path / "tiny")
    names = [str(f.relative_to(made)) for f in made.rglob("*") if f.is_file()]
    siblings = [{"rfilename": n} for n in (*names, "big.safetensors", "unet/diffusion_pytorch_model.bin")]
    info = {"id": "org/tiny", "sha": "c" * 40, "siblings": siblings, "cardData": {"license": "openrail"}}
    for revision in ("", "/revision/main"):
        server.files["/api/models/org/tiny" + revision] = json.dumps(info).encode()
    for name in names:
        path = f"/org/tiny/resolve/{'c' * 40}/{name}"
        server.files[path] = (made / name).read_bytes()
        server.etags[path] = "0" * 40
    out = hub()
    folder = weights.locate("hf:org/tiny")
    assert folder is not None and f"PATH {folder}" in out and out.rstrip().endswith("openrail"), out
    assert not any("big.safetensors" in path or path.endswith(".bin") for path, _ in server.asked)
    assert [(p.source, p.path) for p in weights.downloaded()] == [("hf:org/tiny", folder)]
    forget_backends()
    backend = resolve("hf:org/tiny").open()
    request = Request("m", (message("user", "a cat"),), seed=1, format="image", extra={"steps": 1, "size": "32x32"})
    assert build_response(iterate_sync(backend.stream(request))).image.size == (32, 32)
    loaded.unload()
    assert weights.remove("hf:org/tiny") > 100_000 and weights.locate("hf:org/tiny") is None
