"""Which address is whose."""

from __future__ import annotations

from typing import Any

from jupyter_server.utils import url_path_join

from . import activity, catalogue, keeping, local

ROUTES: tuple[tuple[str, type], ...] = (
    ("about", catalogue.AboutHandler),
    ("models", catalogue.ModelsHandler),
    ("hub", catalogue.HubHandler),
    ("plan", catalogue.PlanHandler),
    ("default", catalogue.DefaultHandler),
    (r"pull(?:/([0-9a-z]{1,40}))?", local.PullHandler),
    ("remove", local.RemoveHandler),
    ("events", local.EventsHandler),
    (r"keys(?:/([^/]+))?", keeping.KeysHandler),
    (r"keys/([^/]+)/test", keeping.KeyTestHandler),
    ("activity", activity.ActivityHandler),
    (r"runs/([0-9a-z]{1,40})", activity.RunHandler),
    (r"prompts(?:/([^/]+))?", activity.PromptsHandler),
)


def routes(base_url: str) -> list[tuple[str, Any]]:
    """The handlers under a server's base URL."""
    return [(url_path_join(base_url, "fmnb", path), handler) for path, handler in ROUTES]
