"""CPU time of one prompt through one tool beside the raw `openai` client, in one process, turn by turn.

    python bench/one_call.py TOOL URL PAIRS

Runs in whatever environment holds the tool. Prints JSON: mode -> milliseconds of both and
the median of the pairs' ratios. `short` is a one-word answer against the raw client's plain
call, `long` a stream of 200 chunks against the raw client's own iteration.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

Calls = dict[str, Callable[[str], Any]]


def raw(url: str) -> Calls:
    """The openai client as its README uses it."""
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="none", max_retries=0)

    def short(prompt: str) -> Any:
        return client.chat.completions.create(model="short", messages=[{"role": "user", "content": prompt}]).choices[0].message.content

    def long(prompt: str) -> Any:
        stream = client.chat.completions.create(model="long", stream=True, messages=[{"role": "user", "content": prompt}])
        return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)

    return {"short": short, "long": long}


def fmnb(url: str) -> Calls:
    """A whole `%%fm` cell: parsing, template, pipeline, display, log."""
    from IPython.core.getipython import get_ipython
    from IPython.core.interactiveshell import InteractiveShell

    os.environ["VLLM_BASE_URL"] = url
    shell = get_ipython() or InteractiveShell.instance()
    shell.run_line_magic("load_ext", "fmnb")

    def cell(model: str) -> Callable[[str], Any]:
        return lambda prompt: shell.run_cell_magic("fm", f"vllm:{model} -t 0.7", prompt)

    return {"short": cell("short"), "long": cell("long")}


def chatlas(url: str) -> Calls:
    from chatlas import ChatOpenAICompletions

    def chat(model: str) -> Any:
        return ChatOpenAICompletions(base_url=url, api_key="none", model=model)

    return {
        "short": lambda prompt: str(chat("short").chat(prompt, echo="none", stream=False)),
        "long": lambda prompt: "".join(chat("long").stream(prompt)),
    }


def llm(url: str) -> Calls:
    from llm.default_plugins.openai_models import Chat

    def model(name: str) -> Any:
        return Chat(name, model_name=name, api_base=url, key="none")

    return {
        "short": lambda prompt: model("short").prompt(prompt, stream=False, key="none").text(),
        "long": lambda prompt: "".join(model("long").prompt(prompt, stream=True, key="none")),
    }


def langchain(url: str) -> Calls:
    from langchain_openai import ChatOpenAI

    models = {n: ChatOpenAI(model=n, base_url=url, api_key="none") for n in ("short", "long")}
    return {
        "short": lambda prompt: models["short"].invoke(prompt).content,
        "long": lambda prompt: "".join(c.content for c in models["long"].stream(prompt)),
    }


def measure(pairs: int, ours: Callable[[str], Any], theirs: Callable[[str], Any]) -> dict[str, float]:
    """Interleaved pairs, the order turned each time; medians after five uncounted ones."""
    times = []
    for n in range(pairs + 5):
        pair = {}
        for name, call in (("tool", ours), ("raw", theirs))[:: 1 if n % 2 else -1]:
            start = time.process_time()
            call(f"hello {n}")
            pair[name] = (time.process_time() - start) * 1000
        if n >= 5:
            times.append((pair["tool"], pair["raw"]))
    return {
        "tool_ms": statistics.median(a for a, _ in times),
        "raw_ms": statistics.median(b for _, b in times),
        "ratio": statistics.median(a / b for a, b in times),
    }


def main(tool: str, url: str, pairs: int) -> dict[str, Any]:
    out = {}
    with contextlib.redirect_stdout(io.StringIO()):
        base, calls = raw(url), globals()[tool](url)
        for mode, call in calls.items():
            out[mode] = measure(pairs, call, base[mode])
    return out


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
