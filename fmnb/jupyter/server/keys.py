"""Handlers for keys: set, remove, test. The server receives keys and never sends one."""

from __future__ import annotations

import re

from ...calls.check_model import check_model
from ...catalog import model_lists
from ...catalog.resolve import forget_backends, usable_profiles
from ...config import keys
from ...config.settings import allowed
from ...core.errors import FmnbError
from ...providers import prices
from ...providers.profiles import Profile, at_own_address, profile
from . import schemas
from .base import Handler, RequestError, endpoint, run_in_thread

_PROVIDER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")


class KeysHandler(Handler):
    """`GET keys`; `PUT keys/PROVIDER`, `DELETE keys/PROVIDER`."""

    @endpoint
    async def get(self, provider: str = "") -> None:
        """The source of each provider's key; never the key."""
        if provider:
            raise RequestError(405, "A key cannot be read")
        self.respond([_to_dict(k) for k in await run_in_thread(_states)])

    @endpoint
    async def put(self, provider: str = "") -> None:
        """Store a key for a provider, bound to its host."""
        p = await run_in_thread(lambda: _profile(provider))
        value = self.json_body(key=str)["key"]
        await run_in_thread(lambda: keys.set_key(p.name, value, p.usual_address))
        forget_backends()
        self.respond(_to_dict(await run_in_thread(lambda: _state(p))))

    @endpoint
    async def delete(self, provider: str = "") -> None:
        """Delete a stored key."""
        p = await run_in_thread(lambda: _profile(provider))
        await run_in_thread(lambda: keys.remove_key(p.name))
        forget_backends()
        self.respond(_to_dict(await run_in_thread(lambda: _state(p))))


class KeyTestHandler(Handler):
    """`POST keys/PROVIDER/test`: one cheap call."""

    @endpoint
    async def post(self, provider: str) -> None:
        """Ask the cheapest known model for one word.

        Model lists are public at some services and prove nothing.
        """
        p = await run_in_thread(lambda: _profile(provider))

        def work() -> schemas.KeyTest:
            listed = model_lists.cached_list(p) if not at_own_address(p) else None
            names = p.models or (m.name for m in (listed.models if listed else ()))
            known = sorted(names, key=lambda m: prices.per_million(p, m)[1] or 1e9)
            if not known:
                return schemas.KeyTest(False, f"no known model of {p.label} to test it with", "Use it in a cell to test it.")
            try:
                answer = check_model(f"{p.name}:{known[0]}", "Say yes.", max_tokens=16)
            except FmnbError as e:
                return schemas.KeyTest(False, str(e.message) + (f": {e.detail}" if e.detail else ""), e.hint)
            return schemas.KeyTest(True, f"{known[0]} answered in {answer.seconds or 0:.1f} s")

        self.respond(await run_in_thread(work))


def _profile(name: str) -> Profile:
    if not _PROVIDER_NAME.fullmatch(name):
        raise RequestError(400, "That is not the name of a provider")
    return profile(name)


def _states() -> list[schemas.KeyState]:
    return [_state(p) for p in usable_profiles() if p.key_env and not p.local]


def _state(p: Profile) -> schemas.KeyState:
    source = keys.status(p.key_env, p.name)
    locked = "" if allowed("providers", p.name) else "blocked by the administrator of this machine"
    return schemas.KeyState(p.name, p.label, source, p.key_hosts, p.key_env, keys.stored(p.name), locked)


def _to_dict(k: schemas.KeyState) -> dict[str, object]:
    return {n: getattr(k, n) for n in schemas.KeyState.__dataclass_fields__}
