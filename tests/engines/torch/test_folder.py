"""Folders of causal models of every family: what is answered, on which path, and what is refused."""

import json
import re

import pytest

from fmnb.core.errors import BadRequestError, DownloadError, ModelError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Finished, Progress, build_response
from fmnb.core.types import Image, Message, Request, message
from fmnb.engines import loaded
from fmnb.engines.torch.backend import backend
from fmnb.engines.torch.model import load
from fmnb.engines.torch.precision import Precision
from fmnb.engines.torch.transformers_model import FolderTokenizer
from fmnb.engines.weights import template_limits

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.engines import folders, tiny  # noqa: E402
from tests.engines.folders import ask  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    loaded.unload()


def answered(model, request):
    return build_response(iterate_sync(model.stream(request)))


@pytest.mark.parametrize("family", folders.CAUSAL)
def test_a_base_model_of_each_family_completes_text_as_transformers_does_and_says_on_which_path(tmp_path, family):
    made, path = folders.causal(tmp_path, family), folders.CAUSAL[family][2]
    model = backend(tmp_path, "tiny")
    assert not model.info.chat and model.info.context in (256, 2048, None)
    for text in ("the other day the", "the " * 60 + "end"):  # one slice, then two with a window that is passed
        ids = folders.tokenizer()(text).input_ids
        expected = folders.tokenizer().decode(tiny.greedy(made, ids, 20), skip_special_tokens=True)
        got = answered(model, ask(text))
        assert got.text.rstrip("\ufffd") == expected.rstrip("\ufffd")
        assert (got.finish_reason, got.usage.input_tokens, got.usage.output_tokens) == ("length", len(ids), 20)
        assert got.extra["base"] is True and got.extra["path"] == path and got.extra["path_reason"]


def test_both_paths_give_the_same_tokens(tmp_path, monkeypatch):
    from fmnb.engines.torch import llama_config

    folders.causal(tmp_path, "qwen3")
    fast = answered(backend(tmp_path), ask("the other day"))
    loaded.unload()
    monkeypatch.setattr(llama_config, "from_transformers", lambda config: "kept off the fast path")
    plain = answered(backend(tmp_path), ask("the other day"))
    assert (fast.extra["path"], plain.extra["path"], plain.extra["path_reason"]) == ("fast", "plain", "kept off the fast path")
    assert fast.text == plain.text


@pytest.mark.parametrize(("family", "slower"), [("qwen2", ""), ("opt", "; plain path: opt runs on transformers")])
def test_the_first_answer_says_what_was_chosen_and_the_next_does_not(tmp_path, family, slower):
    folders.causal(tmp_path, family)
    model = backend(tmp_path)
    assert f"loaded in float32 on CPU: as requested{slower}" in answered(model, ask("the", max_tokens=1)).notes
    assert not [n for n in answered(model, ask("the", max_tokens=1)).notes if n.startswith("loaded")]


@pytest.mark.parametrize("family", ["smollm", "opt"])
def test_sixteen_bits_answer_too(tmp_path, family):
    folders.causal(tmp_path, family)
    for dtype in ("bfloat16", "float16"):
        got = answered(backend(tmp_path), ask("the other day", dtype=dtype))
        assert got.usage.output_tokens == 20 and got.extra["dtype"] == dtype


@pytest.mark.parametrize("family", ["llama", "pythia"])
def test_a_model_in_several_files_loads_from_its_index(tmp_path, family):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    made = folders.causal(whole, family)
    folders.tokenizer().save_pretrained(parts)
    made.save_pretrained(parts, max_shard_size="100KB")
    files = sorted(parts.glob("*.safetensors"))
    assert len(files) > 1
    assert answered(backend(parts), ask("the day")).text == answered(backend(whole), ask("the day")).text
    files[1].unlink()
    with pytest.raises(DownloadError, match=re.escape(files[1].name)):
        backend(parts)


def test_weights_in_a_pickle_file_are_read_as_tensors(tmp_path):
    made = folders.causal(tmp_path, "llama")
    before = answered(backend(tmp_path), ask("the day"))
    loaded.unload()
    (tmp_path / "model.safetensors").unlink()
    torch.save(made.state_dict(), tmp_path / "pytorch_model.bin")
    got = answered(backend(tmp_path), ask("the day"))
    assert got.text == before.text and (got.extra["path"], got.extra["path_reason"]) == ("plain", "its weights are in a pickle file")


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of the file ran')",)


def test_a_pickle_file_that_would_run_code_is_refused(tmp_path):
    folders.causal(tmp_path, "opt")
    (tmp_path / "model.safetensors").unlink()
    torch.save({"w": Trap()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="more than tensors.*Use the same model with safetensors"):
        answered(backend(tmp_path), ask("the"))


def test_a_folders_chat_template_is_used(tmp_path):
    folders.causal(tmp_path, "pythia", tiny.TEMPLATE)
    model = backend(tmp_path, "tiny")
    assert model.info.chat
    events = list(iterate_sync(model.stream(ask("the", max_tokens=2))))
    assert any(isinstance(e, Progress) for e in events) and isinstance(events[-1], Finished) and "base" not in events[-1].extra
    rendered = "<|im_start|>user\nthe<|im_end|>\n<|im_start|>assistant"  # Jinja drops a template's last line end
    assert events[-2].usage.input_tokens == len(folders.tokenizer()(rendered).input_ids) == model.count(ask("the")).tokens


def test_a_folders_chat_template_is_rendered_within_our_limits(tmp_path, monkeypatch):
    folders.causal(tmp_path, "pythia", tiny.TEMPLATE)
    model = backend(tmp_path, "tiny")
    monkeypatch.setattr(template_limits, "MAX_ITEMS", 10)
    with pytest.raises(BadRequestError, match="it makes more than 10 characters"):
        answered(model, ask("the", max_tokens=2))


def test_a_folders_template_gives_the_text_that_transformers_renders(tmp_path):
    folders.causal(tmp_path, "pythia", tiny.TEMPLATE)
    inner = transformers.AutoTokenizer.from_pretrained(tmp_path)
    turns = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "the day {{ x }}\n"}]
    for template in (
        tiny.TEMPLATE,
        "{{ bos_token }}{% for m in messages %}{{ m | tojson(indent=2) }}{{ eos_token }}{% endfor %}{{ tools }}{{ style }}",
    ):
        inner.chat_template = template
        expected = inner.apply_chat_template(turns, add_generation_prompt=True, tokenize=False, style="plain")
        assert FolderTokenizer(inner, [0]).render(turns, {"style": "plain"}) == expected
    inner.chat_template = {"default": "plain {{ messages[0].content }}", "tool_use": "tools {{ tools | length }}"}
    assert FolderTokenizer(inner, [0]).render(turns, {}) == "plain be brief"
    assert FolderTokenizer(inner, [0]).render(turns, {"tools": [{}]}) == "tools 1"


def test_a_base_model_reads_system_and_turns_as_paragraphs(tmp_path):
    folders.causal(tmp_path, "gpt2")
    turns = (message("system", "A list."), message("user", "the"), message("assistant", ""), message("user", "day"))
    got = answered(backend(tmp_path), Request("m", turns, max_tokens=1, dtype="float32"))
    assert got.usage.input_tokens == len(folders.tokenizer()("A list.\n\nthe\n\nday").input_ids)


@pytest.mark.parametrize("family", ["pythia", "mistral"])
def test_a_prefix_is_used_again(tmp_path, family):
    folders.causal(tmp_path, family, max_position_embeddings=512)
    model = backend(tmp_path, "tiny")
    text = "the day " * 30
    first = answered(model, ask(text + "one"))
    answered(model, ask(text + "two"))
    again = answered(model, ask(text + "one"))
    assert first.usage.cached_tokens == 0 and again.usage.cached_tokens >= 128
    assert again.text == first.text


def test_a_schema_is_kept(tmp_path):
    folders.causal(tmp_path, "gpt2")
    got = answered(backend(tmp_path), ask("the", schema={"enum": ["yes", "no"]}, extra={}))
    assert got.text in ('"yes"', '"no"') and got.finish_reason == "stop"


def test_images_are_refused_by_a_model_that_cannot_see(tmp_path):
    folders.causal(tmp_path, "opt")
    model = backend(tmp_path)
    assert model.info.inputs == ("text",)
    with pytest.raises(BadRequestError, match="cannot see images"):
        answered(model, Request("m", (Message("user", (Image(b"x"),)),)))


def test_nothing_is_printed_while_a_folder_loads(tmp_path, capfd):
    folders.causal(tmp_path, "opt")
    capfd.readouterr()
    answered(backend(tmp_path), ask("the"))
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_transformers_cannot_load_is_refused_in_words(tmp_path):
    folders.causal(tmp_path, "gpt2")
    (tmp_path / "config.json").write_text('{"model_type": "not-yet-invented", "n_positions": 64}')
    with pytest.raises(ModelError, match="transformers cannot load"):
        answered(backend(tmp_path), ask("the"))


@pytest.mark.parametrize("family", ["opt", "llama"])
def test_a_folder_that_lacks_weights_is_refused_instead_of_filled_with_noise(tmp_path, family):
    from safetensors.torch import load_file, save_file

    folders.causal(tmp_path, family)
    weights = load_file(tmp_path / "model.safetensors")
    gone = next(n for n in weights if "layers.1" in n and n.endswith("q_proj.weight"))
    save_file({n: w for n, w in weights.items() if n != gone}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=re.escape(gone.removeprefix("model."))):
        answered(backend(tmp_path), ask("the"))


def test_a_safetensors_file_cut_short_is_refused(tmp_path):
    folders.causal(tmp_path, "llama")
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DownloadError, match="truncated"):
        backend(tmp_path)


def test_a_model_that_writes_no_text_is_refused(tmp_path):
    folders.causal(tmp_path, "opt")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "bert", "architectures": ["BertForMaskedLM"]}))
    with pytest.raises(ModelError, match="does not generate text"):
        backend(tmp_path)


@pytest.mark.parametrize("family", folders.CAUSAL)
def test_the_logits_of_each_family_are_those_of_transformers(tmp_path, family):
    made = folders.causal(tmp_path, family)
    ours = load(tmp_path, Precision("float32", "none", "cpu"), 64, lambda event: None, lambda: False)
    ids = torch.randint(0, len(tiny.TOKENS) - 2, (120,), generator=torch.Generator().manual_seed(1)).tolist()
    with torch.inference_mode():
        theirs = made(torch.tensor([ids])).logits[0]
        logits, _ = ours.prefill(ids[:100], lambda: False, True, lambda done: None)
        for at in range(100, 120):  # led along the same tokens
            assert torch.allclose(logits, theirs[at - 1], atol=2e-3 * float(theirs.std()))
            logits = ours.decode(ids[at], at)
    assert len(set(theirs.argmax(-1).tolist())) > 10  # it says many things
