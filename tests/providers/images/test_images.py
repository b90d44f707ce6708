"""Pictures and videos from services, played by a server on this machine."""

from __future__ import annotations

import base64
import dataclasses
import json

import pytest

import fmnb as fm
from fmnb.core.errors import (
    AuthenticationError,
    BadRequestError,
    CallError,
    ContentFilterError,
    EmptyAnswerError,
    RateLimitError,
    ServerError,
    UnexpectedResponseError,
    UsageError,
)
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Finished, Notice, Progress, Waiting, build_response
from fmnb.core.types import File, Image, Message, Request, Text, message
from fmnb.providers import hosted
from fmnb.providers.images import models as images_models
from fmnb.providers.images import runway as images_runway
from fmnb.providers.profiles import profile
from tests.wire.images import MP4, ImageServer, png

KEYS = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "together": "TOGETHER_API_KEY",
    "xai": "XAI_API_KEY",
    "gemini": "GOOGLE_API_KEY",
    "huggingface": "HF_TOKEN",
    "runway": "RUNWAYML_API_SECRET",
}
KEY = "hf_secret0123456789"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_BASE_URL", "https://mine.openai.azure.com")
    for variable in KEYS.values():
        monkeypatch.setenv(variable, KEY)
    with ImageServer() as running:
        yield running


def model(server, name, of="image-any", **fields):
    """A model of that service, which is this server; every name beginning with image or video is one that makes them."""
    p = profile(name)
    patterns = {"image_models": ("image-*", *p.image_models), "video_models": ("video-*", *(v for v in p.video_models if v != "*"))}
    url = server.url + ("/openai" if name == "gemini" else "")
    fields = {"base_url": url, "key_hosts": ("127.0.0.1",), **patterns, **fields}
    return hosted.backend(dataclasses.replace(p, **fields), of)


def ask(text="a cat", *images, **options):
    return Request("m", (Message("user", (*images, Text(text))),), format="image", **options)


def run(backend, request):
    events = list(iterate_sync(backend.stream(request)))
    return events, build_response(events)


def lost(events):
    return [e.text for e in events if isinstance(e, Notice) and e.kind == "not_applied"]


# OpenAI's interface.


def test_a_picture_comes_with_its_tokens_size_and_words(server):
    events, r = run(model(server, "openai"), ask(extra={"size": "1024x1024", "quality": "low"}))
    assert server.requests[-1].path == "/v1/images/generations"
    assert server.requests[-1].body == {"model": "image-any", "prompt": "a cat", "size": "1024x1024", "quality": "low"}
    assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert r.media == (Image(png(8, 8), "image/png", "Made by openai:image-any: a cat"),)
    assert (r.usage.input_tokens, r.usage.output_tokens) == (12, 272)
    assert r.extra["size"] == "8x8" and r.extra["quality"] == "low" and r.extra["made"].startswith("20")
    assert isinstance(events[0], Progress) and isinstance(events[-1], Finished)


def test_several_pictures_are_several_events(server):
    _, r = run(model(server, "openai"), ask(extra={"n": 2}))
    assert len(r.media) == 2 and server.requests[-1].body["n"] == 2


def test_what_the_interface_does_not_take_is_named(server):
    events, _ = run(model(server, "openai"), ask(seed=7, temperature=0.5, extra={"steps": 20, "negative": "dogs"}))
    assert sorted(lost(events)) == ["negative", "seed", "steps", "temperature"]
    assert set(server.requests[-1].body) == {"model", "prompt"}


def test_an_option_that_is_refused_by_name_is_left_out_once(server):
    events, r = run(model(server, "openai", "image-no-size"), ask(extra={"size": "8x8"}))
    assert lost(events) == ["size"] and len(r.media) == 1 and len(server.requests) == 2


def test_a_filtered_prompt_is_not_billed(server):
    with pytest.raises(ContentFilterError) as e:
        run(model(server, "openai", "image-filtered"), ask())
    assert e.value.billed is False and "safety" in str(e.value)


def test_a_rate_limit_is_one(server):
    with pytest.raises(RateLimitError):
        run(model(server, "openai", "image-busy"), ask())


def test_an_answer_without_a_picture_is_an_error(server):
    with pytest.raises(EmptyAnswerError):
        run(model(server, "openai", "image-none"), ask())


def test_bytes_that_are_no_picture_are_an_error(server):
    with pytest.raises(UnexpectedResponseError):
        run(model(server, "openai", "image-junk"), ask())


def test_a_picture_with_usage_of_another_form_is_an_error_of_the_service(server):
    with pytest.raises(UnexpectedResponseError, match="another form"):
        run(model(server, "openai", "image-odd"), ask())


def test_an_svg_is_kept_and_never_shown(server):
    _, r = run(model(server, "openai", "image-svg"), ask())
    assert r.media[0].media_type == "image/svg+xml" and "<svg" not in r._repr_html_()


def test_a_plain_question_to_a_model_that_makes_pictures_says_what_to_add(server):
    with pytest.raises(UsageError, match="-f image"):
        run(model(server, "openai"), Request("m", (message("user", "hi"),)))
    assert server.requests == []


def test_pictures_of_the_prompt_go_to_edits(server):
    _, r = run(model(server, "openai"), ask("make it blue", Image(png(), "image/png"), extra={"n": 1, "list": [1]}))
    seen = server.requests[-1]
    assert seen.path == "/v1/images/edits" and "multipart/form-data; boundary=" in seen.headers["content-type"]
    assert png() in seen.raw and b'name="image[]"' in seen.raw and b"make it blue" in seen.raw
    assert len(r.media) == 1


def test_a_document_in_the_prompt_is_refused(server):
    request = Request("m", (Message("user", (Text("draw this"), File(b"%PDF-", "application/pdf"))),), format="image")
    with pytest.raises(BadRequestError, match="text and images"):
        run(model(server, "openai"), request)


def test_a_picture_that_comes_as_an_address_is_fetched_at_once_and_without_the_key(server):
    _, r = run(model(server, "openai", "image-link"), ask())
    fetched = server.requests[-1]
    assert fetched.path == "/files/made.png" and r.media[0].data == png(8, 8)
    assert KEY not in json.dumps(fetched.headers) and "authorization" not in fetched.headers
    assert r.extra["revised_prompt"] == "a very small cat"


def test_a_key_in_the_address_of_a_picture_is_not_shown(server, monkeypatch):
    """The address is the service's, which knows the key."""
    from fmnb.config import keys

    monkeypatch.setattr(keys, "_used", {"0123-key-of-the-user-4567"})
    with pytest.raises(CallError, match=r"made\.png\?key=\[key removed\]") as error:
        run(model(server, "openai", "image-with-key"), ask())
    assert "key-of-the-user" not in str(error.value.to_dict())


@pytest.mark.parametrize(("which", "path"), [("image-elsewhere", "evil.example/made.png"), ("image-moved", "/files/moved.png")])
def test_a_picture_that_is_not_fetched_keeps_its_address(server, which, path):
    """It is paid for, and the person may open it."""
    with pytest.raises(CallError, match=rf"https?://\S*{path}"):
        run(model(server, "openai", which), ask())


@pytest.mark.parametrize("which", ["image-elsewhere", "image-moved"])
def test_an_address_elsewhere_is_not_fetched(server, which):
    with pytest.raises(CallError) as e:
        run(model(server, "openai", which), ask())
    assert e.value.billed is True
    assert not any("elsewhere" in r.path for r in server.requests)


def test_each_service_is_spoken_to_in_its_own_words(server):
    options = dict(seed=7, extra={"size": "64x32", "steps": 4, "guidance": 3.5, "negative": "dogs", "n": 2})
    assert lost(run(model(server, "together"), ask(**options))[0]) == []
    assert server.requests[-1].body == {
        "model": "image-any",
        "prompt": "a cat",
        "response_format": "base64",
        "width": 64,
        "height": 32,
        "n": 2,
        "steps": 4,
        "guidance_scale": 3.5,
        "negative_prompt": "dogs",
        "seed": 7,
    }
    assert sorted(lost(run(model(server, "xai"), ask(**options))[0])) == ["guidance", "negative", "seed", "size", "steps"]
    assert server.requests[-1].body == {"model": "image-any", "prompt": "a cat", "response_format": "b64_json", "n": 2}
    run(model(server, "azure"), ask())
    assert server.requests[-1].headers["api-key"] == KEY and "authorization" not in server.requests[-1].headers


def test_pictures_go_in_as_each_service_takes_them(server):
    link = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    run(model(server, "xai"), ask("blue", Image(png())))
    assert server.requests[-1].path == "/v1/images/edits" and server.requests[-1].body["image"] == {"type": "image_url", "url": link}
    run(model(server, "together"), ask("blue", Image(png())))
    assert server.requests[-1].body["reference_images"] == [link]
    with pytest.raises(BadRequestError, match="accepts only text"):
        run(model(server, "together", image_edits=""), ask("blue", Image(png())))


def test_the_same_seed_is_the_same_picture_only_where_the_service_says_so(server):
    seeded = ask(seed=7)
    assert model(server, "together").deterministic(seeded) and not model(server, "openai").deterministic(seeded)
    assert not model(server, "together").deterministic(ask(temperature=0))


# Gemini.


def test_gemini_is_asked_on_its_own_interface(server):
    events, r = run(model(server, "gemini"), ask("a cat", Image(png()), extra={"size": "1920x1080"}))
    seen = server.requests[-1]
    assert seen.path == "/v1/models/image-any:generateContent"
    assert seen.headers["x-goog-api-key"] == KEY and "authorization" not in seen.headers
    assert seen.body["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "16:9"}}
    assert seen.body["contents"][0]["parts"][0]["inlineData"]["mimeType"] == "image/png"
    assert r.text == "Here it is." and r.media[0].data == png(16, 16)
    assert (r.usage.input_tokens, r.usage.output_tokens) == (5, 1295) and lost(events) == []


@pytest.mark.parametrize("which", ["image-blocked", "image-unsafe"])
def test_gemini_blocks_are_content_filters(server, which):
    with pytest.raises(ContentFilterError) as e:
        run(model(server, "gemini", which), ask())
    assert e.value.billed is False


# Hugging Face.


def test_an_endpoint_of_ones_own_is_asked_through_the_hubs_client(server):
    pytest.importorskip("PIL")
    _, r = run(model(server, "huggingface"), ask(seed=3, extra={"size": "8x8", "steps": 2, "negative": "dogs", "n": 2}))
    posts = [s for s in server.requests if s.method == "POST"]
    assert [p.body["parameters"]["seed"] for p in posts] == [3, 4]
    sent = {"negative_prompt": "dogs", "height": 8, "width": 8, "num_inference_steps": 2, "seed": 3}
    assert posts[0].body == {"inputs": "a cat", "parameters": sent} and posts[0].headers["authorization"] == f"Bearer {KEY}"
    assert [m.data for m in r.media] == [png(8, 8, seed=3), png(8, 8, seed=4)] and r.extra["seeds"] == [3, 4]


def test_a_provider_is_reached_through_the_router_alone(server, monkeypatch):
    pytest.importorskip("PIL")
    hub = pytest.importorskip("huggingface_hub")
    common = pytest.importorskip("huggingface_hub.inference._providers._common")
    mapping = hub.hf_api.InferenceProviderMapping(
        provider="fal-ai", providerId="fal-ai/flux", hf_model_id="org/name", task="text-to-image", status="live"
    )
    monkeypatch.setitem(common.HARDCODED_MODEL_INFERENCE_MAPPING["fal-ai"], "org/name", mapping)
    monkeypatch.setattr(hub.constants, "INFERENCE_PROXY_TEMPLATE", server.url.removesuffix("/v1") + "/{provider}")
    monkeypatch.setattr("fmnb.providers.images.huggingface._ROUTER", "127.0.0.1")
    _, r = run(model(server, "huggingface", "org/name:fal-ai", image_models=("org/*",)), ask())
    posted = next(s for s in server.requests if s.method == "POST")
    assert posted.path == "/fal-ai/fal-ai/flux" and posted.headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in server.requests[-1].headers and r.media[0].data == png(8, 8)
    monkeypatch.setenv("HF_TOKEN", "another-kind-of-key")
    with pytest.raises(AuthenticationError, match="hf_"):
        run(model(server, "huggingface", "org/name:fal-ai", image_models=("org/*",)), ask())


def test_a_hub_that_a_cell_names_is_not_asked_with_a_token(server, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(hub.constants, "ENDPOINT", server.url)  # what the client reads when it is imported
    monkeypatch.setattr("fmnb.providers.images.huggingface._ROUTER", "127.0.0.1")
    with pytest.raises(AuthenticationError, match="set another hub"):
        run(model(server, "huggingface", "org/name", image_models=("org/*",)), ask())
    assert server.requests == []


def test_a_cold_model_is_a_server_error(server):
    pytest.importorskip("PIL")
    with pytest.raises(ServerError):
        run(model(server, "huggingface"), ask("busy"))


# Runway.


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(images_runway, "POLL_INTERVAL", 0.01)


def test_a_task_is_made_awaited_with_its_progress_and_fetched(server, fast):
    events, r = run(model(server, "runway", "video-any"), ask(seed=7, extra={"seconds": 5, "size": "1280x720"}))
    created = server.requests[0]
    assert created.path == "/v1/text_to_video" and created.headers["x-runway-version"] == "2024-11-06"
    assert created.body == {"model": "video-any", "ratio": "1280:720", "promptText": "a cat", "seed": 7, "duration": 5}
    assert [e.reason for e in events if isinstance(e, Waiting)] == [
        "Runway: the task is in the queue",
        "Runway: other tasks of this account come first",
    ]
    assert [e.done for e in events if isinstance(e, Progress) and e.unit == "%"] == [40]
    assert r.video == File(MP4, "video/mp4", "video-any.mp4") and r.extra["task"] == "task-1"
    assert server.requests[-1].path == "/files/clip.mp4?_jwt=once" and "authorization" not in server.requests[-1].headers
    assert not any(s.method == "DELETE" for s in server.requests)


def test_a_picture_moves_and_pictures_are_references(server, fast):
    run(model(server, "runway", "video-any"), ask("it turns", Image(png())))
    assert server.requests[0].path == "/v1/image_to_video" and server.requests[0].body["promptImage"].startswith("data:image/png;base64,")
    _, r = run(model(server, "runway", "image-any"), ask("in this style", Image(png()), extra={"n": 2}))
    made = next(s for s in server.requests if s.path == "/v1/text_to_image")
    assert made.body["outputCount"] == 2 and len(made.body["referenceImages"]) == 1 and isinstance(r.media[0], Image)


def test_a_task_that_fails_says_why(server, fast):
    with pytest.raises(ContentFilterError, match="SAFETY.INPUT.TEXT; Not this"):
        run(model(server, "runway", "video-unsafe"), ask())
    with pytest.raises(ServerError, match="came out badly") as e:
        run(model(server, "runway", "video-broken"), ask())
    assert not e.value.retryable  # a second task would be paid for as well


def test_a_question_that_fails_is_asked_again_and_no_second_task_is_made(server, fast):
    _, r = run(model(server, "runway", "video-hiccup"), ask())
    assert r.video.data == MP4 and len(server.tasks) == 1


def test_stopping_deletes_the_task(server, fast):
    events = iterate_sync(model(server, "runway", "video-endless").stream(ask()))
    for event in events:
        if isinstance(event, Progress):
            break
    events.close()
    assert server.wait_for("DELETE", "/v1/tasks/task-1")


def test_only_what_a_profile_says_makes_pictures():
    assert (
        images_models.media_kinds(profile("openai"), "gpt-image-2") == ("image",)
        and images_models.media_kinds(profile("openai"), "gpt-5") == ()
    )
    assert images_models.media_kinds(profile("runway"), "gen4.5") == ("video",) and images_models.media_kinds(
        profile("runway"), "gen4_image"
    ) == ("image",)
    info = hosted.backend(profile("gemini"), "gemini-2.5-flash-image").info
    assert info.outputs == ("image",) and info.price_out == 30.0


# From a user's own row to the answer.


@pytest.fixture
def mine(server, home):
    row = f'[provider.mine]\nbase_url = "{server.url}"\nneeds_key = false\nimage_api = "openai"\nimage_models = ["image-*"]\n'
    (home / "fmnb.toml").write_text(row + 'image_fields = { size = "width height", seed = "seed" }\nimage_format = "b64_json"\n')
    return server


def test_a_row_of_the_users_makes_pictures(mine):
    r = fm.ask("a cat", "mine:image-any", format="image", seed=3, params={"size": "8x8"})
    assert mine.requests[-1].body == {
        "model": "image-any",
        "prompt": "a cat",
        "response_format": "b64_json",
        "width": 8,
        "height": 8,
        "seed": 3,
    }
    assert r.media[0].data == png(8, 8) and r.finish_reason == "stop"
    again = fm.ask("a cat", "mine:image-any", format="image", seed=3, params={"size": "8x8"})
    assert again.source == "cached" and again.media == r.media and len(mine.requests) == 1


def test_a_model_that_no_pattern_names_makes_none(mine):
    with pytest.raises(UsageError, match="makes no images"):
        fm.ask("a cat", "mine:gpt-text", format="image")
    assert mine.requests == []


def test_a_filter_is_told_apart_from_a_failure_all_the_way_up(mine):
    with pytest.raises(ContentFilterError) as e:
        fm.ask("a cat", "mine:image-filtered", format="image")
    assert e.value.billed is False and e.value.response.media == () and len(mine.requests) == 1
