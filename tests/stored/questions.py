"""What was asked when the stored files were written, and is asked again when they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NOTEBOOK = "/home/ada/survey.ipynb"
PORT = 18431  # where the service was when the files were written: it stands in the log
SETTINGS = """\
[default]
model = "far:m"

[alias]
short = "far:small"

[log]
keep_days = 100000

[widgets]
keys = false

[provider.far]
title = "a service of one's own"
base_url = "{url}"
key_env = ["FAR_KEY"]
bulk = "openai"
models = ["m", "small"]

[provider.draw]
base_url = "{url}"
key_env = ["FAR_KEY"]
image_api = "openai"
image_models = ["m"]
prices = {{ input = 1, output = 2 }}
"""
# Answers of these come from the cache: a temperature of 0, or a seed.
CACHED: dict[str, dict[str, Any]] = {
    "Name a river": {"temperature": 0},
    "Name a lake": {"seed": 7, "max_tokens": 90, "stop": ["END"], "system": "Be brief.", "params": {"top_k": 5}, "format": "text"},
    "Describe the weather": {"temperature": 0, "schema": "mood good|bad, words int, topics list[str], share float?: from 0 to 1"},
    "Please think about {{ this }}": {"temperature": 0, "values": {"this": "numbers"}},
    "What is on it?": {"temperature": 0, "attach": "picture.png"},
    "As JSON, please": {"temperature": 0, "format": "json"},
}
FINISHED = [
    {"place": p, "people": n}
    for p, n in (("Bonn", 3), ("Ulm", 1), ("please fail in Kiel", 0), ("Jena", 1), ("Ulm", 1), ("please filter Trier", 2))
]
STOPPED = [{"animal": a} for a in ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen")]
KILLED = [{"tool": t} for t in ("awl", "bit", "cog", "die", "eye", "file", "gouge", "hammer")]
HANDED_IN = [{"fruit": f} for f in ("apple", "banana", "cherry")]
TYPED = [{"text": t} for t in ("The pen writes.", "The ink is dry!", "")]
SCHEMA = "mood good|bad, words int"
GREETINGS = ["Ada", "Bob"]
PEOPLE = "name,age\nAda,36\nBob,41\n"
TEXTS = ["a small dog", "a puppy", "the price of oil"]
ROWS = [{"q": f"Reply with {w} and stop, number {'x' * n}", "target": w, "who": f"user {n % 4}"} for n, w in enumerate("alpha beta gamma delta alpha beta gamma delta".split())]  # fmt: skip


def asked(service: Any, texts: list[str]) -> list[str]:
    """Which of these the service was asked, in this order."""
    return [t for t in texts if any(t in a for a in service.asked)]


def settings(home: Path, url: str) -> None:
    """The settings file, for a service at this address."""
    (home / "fmnb.toml").write_text(SETTINGS.format(url=url), "utf-8")
