"""The Jupyter Server side of the sidebar: the same catalogue, keys and log that cells use, asked over HTTP.

Nothing of fmnb but this package is imported until the first question comes.
"""

from __future__ import annotations

from typing import Any


def _load_jupyter_server_extension(app: Any) -> None:
    """Called by Jupyter Server at its start."""
    from .routes import routes

    app.web_app.add_handlers(".*$", routes(app.web_app.settings["base_url"]))
