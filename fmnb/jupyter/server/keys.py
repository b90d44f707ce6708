"""Handlers about keys: set, remove, test. A key comes in and never goes out."""

from __future__ import annotations

import re

from ...calls import model
from ...catalog.resolve import forget_backends, usable_profiles
from ...config import keys
from ...config.settings import allowed
from ...core.errors import FmnbError
from ...providers import prices
from ...providers.profiles import Profile, profile
from . import schemas
from .base import Handler, Refused, aside, guarded

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")


class KeysHandler(Handler):
    """`GET keys`; `PUT keys/PROVIDER`, `DELETE keys/PROVIDER`."""

    @guarded
    async def get(self, provider: str = "") -> None:
        """Where each provider's key is found; never the key."""
        if provider:
            raise Refused(405, "A key cannot be read")
        self.answer([_plain(k) for k in await aside(_states)])

    @guarded
    async def put(self, provider: str = "") -> None:
        """Keep a key for a provider, bound to its host."""
        p = await aside(lambda: _profile(provider))
        value = self.body(key=str)["key"]
        await aside(lambda: keys.set_key(p.name, value, p.usual_host))
        forget_backends()
        self.answer(_plain(await aside(lambda: _state(p))))

    @guarded
    async def delete(self, provider: str = "") -> None:
        """Forget a stored key."""
        p = await aside(lambda: _profile(provider))
        await aside(lambda: keys.remove_key(p.name))
        forget_backends()
        self.answer(_plain(await aside(lambda: _state(p))))


class KeyTestHandler(Handler):
    """`POST keys/PROVIDER/test`: one cheap call."""

    @guarded
    async def post(self, provider: str) -> None:
        """Ask the cheapest known model for one word; lists are open to anyone at some services and prove nothing."""
        p = await aside(lambda: _profile(provider))

        def work() -> schemas.KeyTest:
            known = sorted(p.models, key=lambda m: prices.per_million(p, m)[1] or 1e9)
            if not known:
                return schemas.KeyTest(False, f"no model of {p.label} is known to try it with", "Use it in a cell: it is tried then.")
            try:
                answer = model.ask("Say yes.", f"{p.name}:{known[0]}", max_tokens=16, cache=False)
            except FmnbError as e:
                return schemas.KeyTest(False, str(e.message) + (f": {e.detail}" if e.detail else ""), e.hint)
            return schemas.KeyTest(True, f"{known[0]} answered in {answer.seconds or 0:.1f} s")

        self.answer(await aside(work))


def _profile(name: str) -> Profile:
    if not _NAME.fullmatch(name):
        raise Refused(400, "That is no provider's name")
    return profile(name)


def _states() -> list[schemas.KeyState]:
    return [_state(p) for p in usable_profiles() if p.key_env and not p.local]


def _state(p: Profile) -> schemas.KeyState:
    found = keys.status(p.key_env, p.name)
    locked = "" if allowed("providers", p.name) else "not allowed by this machine's administrator"
    return schemas.KeyState(p.name, p.label, found, p.key_hosts, p.key_env, keys.stored(p.name), locked)


def _plain(k: schemas.KeyState) -> dict[str, object]:
    return {n: getattr(k, n) for n in schemas.KeyState.__dataclass_fields__}
