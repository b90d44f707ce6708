"""Models of a notebook whose answers are stored. Their source decides under which key: it must stay as it is, letter for letter."""

from __future__ import annotations

import functools

import fmnb as fm
from fmnb import ask

CALLS: list[str] = []
STYLE = fm.Prompt("Say it loudly.", name="style")


def loud(text):
    CALLS.append(text)
    return f"{text.upper()}!"


def styled(text):
    CALLS.append(text)
    return f"{STYLE.text} {text}"


def asks(text):
    CALLS.append(text)
    return ask(text, "echo:", cache=False).text


def holds(part):
    def model(text):
        CALLS.append(text)
        return f"{part}: {text}"

    return model


class Chain:
    def __init__(self, prompt, model):
        self.prompt = prompt
        self.model = model

    def __call__(self, text):
        CALLS.append(text)
        return f"{self.prompt.text} {self.model!r} {text}"


MODELS = {
    "a function": lambda: loud,
    "a function that reads a prompt": lambda: styled,
    "a function that asks": lambda: asks,
    "a function that holds a prompt": lambda: holds(fm.Prompt("Be {{ mood }}")),
    "a function that holds a model": lambda: holds(fm.Model("echo:", temperature=0)),
    "an object": lambda: Chain(fm.Prompt("{{ a }}", system="short"), fm.Model("echo:")),
    "ask with a model": lambda: functools.partial(ask, model="echo:"),
}
