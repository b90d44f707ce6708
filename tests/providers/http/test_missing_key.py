"""The message about a key that is not sent: one in the keyring is not said to be missing."""

from __future__ import annotations

import dataclasses

import keyring
import pytest

from fmnb.config import keys
from fmnb.core.errors import FmnbError, KeyMissingError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.types import Request, message
from fmnb.providers import hosted
from fmnb.providers.profiles import profile
from tests.config.test_keys import Memory
from tests.wire.server import Server

USUAL = "api.openai.com"


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def ring(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    keys._cache.clear()
    yield
    keyring.set_keyring(before)
    keys._cache.clear()


def refused(p, server):
    """The error of a call that sends nothing, and what a preview says of the same model."""
    before = len(server.requests)
    with pytest.raises(FmnbError) as e:
        list(iterate_sync(hosted.backend(p, "plain").stream(Request("plain", (message("user", "hello"),)))))
    assert isinstance(e.value, KeyMissingError) and len(server.requests) == before
    return str(e.value), hosted.backend(p, "plain").info.missing


def test_a_key_in_the_keyring_is_not_said_to_be_missing(server):
    keys.set_key("openai", "sk-in-the-keyring", USUAL)
    for said in refused(dataclasses.replace(profile("openai"), base_url=server.url), server):
        assert "is not sent to another address" in said and "sk-in-the-keyring" not in said
        assert "none was found" not in said and "needs a key" not in said


def test_without_any_key_it_is_missing(server):
    said, preview = refused(profile("openai"), server)
    assert "needs a key" in said and "none was found" in said
    assert "%fm key set openai" in said and "%fm key set openai" in preview


@pytest.mark.parametrize("stored", [True, False])
def test_nobody_is_asked_to_type_a_key_for_an_address_that_a_cell_set(server, monkeypatch, stored):
    if stored:
        keys.set_key("openai", "sk-in-the-keyring", USUAL)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    said, preview = refused(profile("openai"), server)
    assert "which a cell set" in said and ("not sent to another address" in said) == stored
    for text in (said, preview):
        assert "Set OPENAI_BASE_URL before Jupyter starts" in text
        assert "%fm key set" not in text and "Keys tab" not in text and "OPENAI_API_KEY" not in text


def test_a_service_that_wants_a_key_after_all_says_where_the_stored_one_belongs(server):
    keys.set_key("openai", "sk-in-the-keyring", USUAL)
    p = dataclasses.replace(profile("openai"), base_url=server.url, needs_key=False)
    with pytest.raises(KeyMissingError, match="not sent to another address"):
        list(iterate_sync(hosted.backend(p, "key-refused").stream(Request("key-refused", (message("user", "hello"),)))))
