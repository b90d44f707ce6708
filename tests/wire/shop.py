"""Providers at the loopback server that state their prices: one for each interface."""

from __future__ import annotations

from pathlib import Path

from tests.wire import anthropic, cohere, responses  # noqa: F401  the interfaces the server can play

INPUT, OUTPUT = 100.0, 500.0  # US dollars per million tokens
WIRES = ("chat", "responses", "anthropic", "cohere")


def open_shop(home: Path, url: str, more: str = "") -> None:
    """Write `chat`, `responses`, `anthropic` and `cohere` into the user's settings, as providers `shop-chat`, ..."""
    text = ""
    for name in WIRES:
        native = f'native = "{name}"\n' if name in ("anthropic", "cohere") else ""
        api = "native" if native else name
        text += f'[provider.shop-{name}]\nbase_url = "{url}"\nneeds_key = false\napi = "{api}"\n{native}'
        text += f"prices = {{ input = {INPUT}, output = {OUTPUT} }}\n{more}"
    (home / "fmnb.toml").write_text(text)


def price(tokens_in: int, tokens_out: int) -> float:
    """What so many tokens cost there."""
    return (tokens_in * INPUT + tokens_out * OUTPUT) / 1e6
