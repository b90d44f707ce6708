"""A key from outside the notebook travels over certificates and proxies from outside the notebook."""

from __future__ import annotations

import dataclasses

import pytest

from fmnb.config import environment
from fmnb.core import errors, event_loop
from fmnb.core.errors import FmnbError
from fmnb.core.types import Request, message
from fmnb.providers import hosted
from fmnb.providers.http import client, network, transport
from fmnb.providers.profile import Profile
from fmnb.providers.profiles import profile
from tests.contract.backends import loopback
from tests.wire.server import Server, self_signed

pytest.importorskip("cryptography")
KEY = "sk-of-the-user-123"


@pytest.fixture(params=["aiohttp", "openai"], autouse=True)
def http_stack(request, monkeypatch):
    monkeypatch.setattr(transport, "_has_aiohttp", lambda: request.param == "aiohttp")
    transport.clear()


@pytest.fixture
def secure(tmp_path):
    with Server(tls=self_signed(tmp_path)) as server:
        server.certificate = str(tmp_path / "loopback.pem")
        yield server


def call(server):
    p = dataclasses.replace(loopback("vllm", server.url), key_env=("A_KEY",), key_hosts=("127.0.0.1",), needs_key=True)
    request = Request("plain", (message("user", "hello"),))
    try:
        for _ in event_loop.iterate_sync(hosted.backend(p, "plain").stream(request)):
            pass
    except FmnbError as e:
        return e
    return None


def test_certificates_that_a_cell_set_do_not_get_a_key_from_outside(secure, monkeypatch):
    monkeypatch.setenv("A_KEY", KEY)
    monkeypatch.setitem(environment._initial, "A_KEY", KEY)
    monkeypatch.setenv("SSL_CERT_FILE", secure.certificate)
    error = call(secure)
    assert type(error) is errors.TLSError and "before Jupyter starts" in str(error)


def test_certificates_from_the_kernels_start_do(secure, monkeypatch):
    for name, value in (("A_KEY", KEY), ("SSL_CERT_FILE", secure.certificate)):
        monkeypatch.setenv(name, value)
        monkeypatch.setitem(environment._initial, name, value)
    assert call(secure) is None


def test_a_cell_may_bring_a_key_and_a_certificate(secure, monkeypatch):
    monkeypatch.setenv("A_KEY", KEY)
    monkeypatch.setenv("SSL_CERT_FILE", secure.certificate)
    assert call(secure) is None


@pytest.mark.parametrize("scheme", ["http", "HTTP", "Http"])
def test_a_hosted_services_key_is_never_sent_in_clear(scheme, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    p = dataclasses.replace(profile("openai"), base_url=f"{scheme}://api.openai.com/v1")
    assert client.find_key(p) is None
    with_header = dataclasses.replace(p, header_env={"X-Key": "OPENAI_API_KEY"}, key_hosts=(p.host,))
    assert client.headers_from_environment(with_header) == []


def test_a_proxy_that_a_cell_set_sees_no_key_in_clear(monkeypatch):
    p = Profile("mine", base_url="http://ai.example.com/v1", key_env=("A_KEY",), key_hosts=("ai.example.com",))
    monkeypatch.setenv("A_KEY", KEY)
    monkeypatch.setitem(environment._initial, "A_KEY", KEY)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delitem(environment._initial, name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "")
    assert network.proxy(p, KEY) is None and network.proxy(p, "") is None  # A_KEY could be sent
    monkeypatch.delitem(environment._initial, "A_KEY")
    assert network.proxy(p, KEY) == "http://proxy.example:3128"
    monkeypatch.setitem(environment._initial, "http_proxy", "http://own.example:1")
    monkeypatch.setitem(environment._initial, "A_KEY", KEY)
    assert network.proxy(p, KEY) == "http://own.example:1"
