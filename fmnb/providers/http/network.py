"""Certificates and proxies of a connection.

Whoever chooses the certificates to trust can read what is sent over TLS, and a proxy reads what is
sent without. A cell may choose both, but not for a key from outside the notebook: that key travels
as the environment said when the process started.
"""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ...config.environment import initial, set_here
from ..profiles import Profile


def follows_cell(p: Profile, secret: str) -> bool:
    """Whether certificates and proxies that a cell set apply to a request with this key.

    They do if nothing secret is sent, or if the notebook set every secret itself.

    >>> follows_cell(Profile("mine", base_url="https://ai.example.com/v1"), "")
    True
    """
    secrets = [v for v in (*p.key_env, *p.header_env.values()) if os.environ.get(v)]
    stored = bool(secret) and not any(os.environ.get(v, "").strip() == secret for v in p.key_env)
    return not stored and all(map(set_here, secrets))


def tls_context(p: Profile, secret: str) -> ssl.SSLContext:
    """The certificates to trust: `SSL_CERT_FILE` or `SSL_CERT_DIR`, else those of the system."""
    import httpx2

    value = os.environ.get if follows_cell(p, secret) else initial
    if file := value("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := value("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    return httpx2.create_ssl_context(trust_env=False)


def proxy(p: Profile, secret: str) -> str | None:
    """The proxy for a profile's address, from the environment or the system's settings; None for none."""
    parts = urlsplit(p.base_url)
    if p.loopback:
        return None
    if parts.scheme == "https" or follows_cell(p, secret):
        return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    return initial("http_proxy") or initial("HTTP_PROXY")
