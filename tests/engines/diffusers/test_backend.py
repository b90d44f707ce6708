"""Pictures made here, by a tiny random pipeline that the tests make and save themselves."""

from __future__ import annotations

import io
import json

import pytest

from fmnb.catalog.resolve import engine_for, resolve
from fmnb.core.errors import BadRequestError, ContentFilterError, InsufficientMemoryError, ModelError, UsageError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Finished, Media, Notice, Progress, build_response
from fmnb.core.types import Image, Message, Request, Text, message
from fmnb.engines import host, loaded
from fmnb.engines.diffusers import pipeline as diffusers_pipeline
from fmnb.engines.diffusers.backend import backend

pytest.importorskip("torch")
pytest.importorskip("diffusers")
PIL = pytest.importorskip("PIL.Image")

from tests.engines import tiny_pipeline  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Sums in one order: on a busy machine the number of threads changes between two pictures, and with it the last bits."""
    monkeypatch.setenv("FMNB_THREADS", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    yield tiny_pipeline.save(tmp_path_factory.mktemp("pipelines") / "tiny")
    loaded.unload()


def ask(text="a cat", *images, size=f"{tiny_pipeline.SIZE}x{tiny_pipeline.SIZE}", steps=2, seed=7, dtype="", **extra):
    extra = {"size": size, "steps": steps, **extra}
    return Request(
        "m", (Message("user", (*images, Text(text))),), format="image", seed=seed, dtype=dtype, extra={k: v for k, v in extra.items() if v}
    )


def run(path, request):
    events = list(iterate_sync(backend(path, "tiny").stream(request)))
    return events, build_response(events)


def lost(events):
    return [e.text for e in events if isinstance(e, Notice) and e.kind == "not_applied"]


def test_the_same_seed_draws_the_same_picture_and_another_another(folder):
    _, first = run(folder, ask())
    assert first.image.size == (32, 32) and first.media[0].alt == "Made by tiny: a cat"
    assert run(folder, ask())[1].media[0].data == first.media[0].data
    assert run(folder, ask(seed=8))[1].media[0].data != first.media[0].data
    loaded.unload()
    assert run(folder, ask())[1].media[0].data == first.media[0].data  # loaded again


def test_a_seed_is_chosen_and_told_so_that_the_picture_can_be_made_again(folder):
    _, r = run(folder, ask(seed=None))
    assert run(folder, ask(seed=r.extra["seed"]))[1].media[0].data == r.media[0].data
    assert r.extra["steps"] == 2 and r.extra["size"] == "32x32" and r.usage.cost == 0.0


def test_each_step_is_told(folder):
    events, _ = run(folder, ask(steps=3))
    assert [(e.done, e.total) for e in events if isinstance(e, Progress) and e.unit == "steps"] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert isinstance(events[-1], Finished)


def test_stopping_ends_the_drawing_within_a_step(folder):
    run(folder, ask())  # loaded
    events = iterate_sync(backend(folder, "tiny").stream(ask(steps=500)))
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, Progress) and event.done >= 2:
            break
    events.close()
    assert not any(isinstance(e, Media) for e in seen)
    _, r = run(folder, ask())  # the pipeline is free again, and as it was
    assert len(r.media) == 1
    assert not any(m.busy for m in loaded.loaded_models())


def test_several_pictures_have_seeds_that_count_up(folder):
    _, r = run(folder, ask(n=2))
    assert r.extra["seeds"] == [7, 8]
    assert r.media[1].data == run(folder, ask(seed=8))[1].media[0].data


def test_a_negative_prompt_and_guidance_change_the_picture(folder):
    plain = run(folder, ask())[1].media[0].data
    assert run(folder, ask(negative="dogs"))[1].media[0].data != plain
    assert run(folder, ask(guidance=2.0))[1].media[0].data != plain


def test_parameters_of_the_pipeline_go_through_and_others_are_named(folder):
    events, _ = run(folder, ask(eta=0.5, style="vivid", latents=1, seconds=3))
    assert sorted(lost(events)) == ["latents", "seconds", "style"]


def test_a_picture_in_the_prompt_is_where_the_drawing_begins(folder):
    out = io.BytesIO()
    PIL.new("RGB", (40, 37), "red").save(out, "PNG")
    _, r = run(folder, ask("blue", Image(out.getvalue()), size="", steps=4, strength=0.5))
    assert r.image.size == (40, 32)
    with pytest.raises(BadRequestError, match="one input image"):
        run(folder, ask("blue", Image(out.getvalue()), Image(out.getvalue())))


def test_a_size_that_cannot_be_drawn_names_the_nearest(folder):
    with pytest.raises(BadRequestError, match="size=32x40"):
        run(folder, ask(size="33x38"))


def test_what_the_pipeline_refuses_is_said_in_its_words(folder):
    out = io.BytesIO()
    PIL.new("RGB", (32, 32), "red").save(out, "PNG")
    with pytest.raises(BadRequestError, match="strength"):
        run(folder, ask("blue", Image(out.getvalue()), strength=5))


def test_a_plain_question_says_what_to_add(folder):
    with pytest.raises(UsageError, match="-f image"):
        run(folder, Request("m", (message("user", "hi"),)))


def test_a_prompt_that_is_read_in_part_is_announced(folder):
    events, _ = run(folder, ask("cat " * 60))
    assert any("only the first 77 are used" in e.text for e in events if isinstance(e, Notice))


def test_what_the_safety_checker_flags_is_withheld(tmp_path):
    path = tiny_pipeline.save(tmp_path / "checked", checker=True)
    with pytest.raises(ContentFilterError, match="safety checker") as e:
        run(path, ask())
    assert e.value.billed is False
    loaded.unload()


def test_memory_is_checked_before_loading_and_given_back(folder, monkeypatch):
    loaded.unload()
    info = backend(folder, "tiny").info
    assert info.outputs == ("image",) and info.memory > info.size > 100_000
    monkeypatch.setattr(host, "available_memory", lambda: 1_000_000)
    with pytest.raises(InsufficientMemoryError, match="tiny needs"):
        run(folder, ask())
    monkeypatch.undo()
    run(folder, ask())
    assert [m.name for m in loaded.loaded_models()] == ["tiny"]
    assert [m.name for m in loaded.unload("tiny")] == ["tiny"] and loaded.loaded_models() == []


def test_a_dtype_is_a_pipeline_of_its_own(folder):
    loaded.unload()
    _, r = run(folder, ask(dtype="bfloat16"))
    assert r.extra["dtype"] == "bfloat16" and len(r.media) == 1
    with pytest.raises(BadRequestError, match="needs a GPU"):
        run(folder, ask(dtype="float16"))
    loaded.unload()


def test_sixteen_bit_files_alone_are_read_too(tmp_path):
    path = tiny_pipeline.save(tmp_path / "half", variant="fp16")
    assert not list(path.glob("unet/diffusion_pytorch_model.safetensors"))
    assert len(run(path, ask())[1].media) == 1
    loaded.unload()


def test_only_safetensors_and_known_classes_are_taken(folder, tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/diffusion_pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "P", "unet": ["diffusers", "UNet2DConditionModel"]}))
    with pytest.raises(ModelError, match="safetensors"):
        backend(tmp_path)
    (tmp_path / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"x")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": ["mine", "P"], "unet": ["diffusers", "U"]}))
    with pytest.raises(ModelError, match="needs its own code"):
        backend(tmp_path)


def test_a_broken_pipeline_is_refused_in_words(tmp_path):
    path = tiny_pipeline.save(tmp_path / "broken")
    (path / "unet/config.json").unlink()
    with pytest.raises(ModelError, match="cannot load this pipeline"):
        run(path, ask())


def test_a_folder_with_an_index_runs_on_this_engine_by_its_name_alone(folder):
    assert engine_for(folder) == "diffusers"
    target = resolve(f"path:{folder}")
    assert target.open().info.outputs == ("image",) and target.open().info.name == f"path:{folder}"


def test_the_estimate_follows_the_numbers_and_not_the_file(folder):
    files = diffusers_pipeline.files(folder)
    full, half = (diffusers_pipeline.estimate_memory(files, d, (512, 512)) for d in ("float32", "bfloat16"))
    fixed = 256 << 20
    assert full - fixed == 2 * (half - fixed)
