"""The Jupyter Server side of the sidebar: catalog, keys and log over HTTP.

Nothing of fmnb but this package is imported until the first request.

- `routes`: addresses and handlers
- `base`: access, protocol version, errors, time limits
- `schemas`: the values that handlers return; TypeScript types are generated from them
- `catalog`: models, the hub, the default model, download plans
- `local`: downloads and removal of weights
- `keys`: set, remove and test keys
- `activity`: runs, tokens, cost, saved prompts
- `tutorials`: the tutorials, and copies of them
"""

from __future__ import annotations

from typing import Any


def _load_jupyter_server_extension(app: Any) -> None:
    """Called by Jupyter Server at its start."""
    from .routes import routes

    app.web_app.add_handlers(".*$", routes(app.web_app.settings["base_url"]))
