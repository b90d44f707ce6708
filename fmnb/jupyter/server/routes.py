"""The addresses of the handlers."""

from __future__ import annotations

from typing import Any

from jupyter_server.utils import url_path_join

from . import activity, catalog, keys, local, tutorials

ROUTES: tuple[tuple[str, type], ...] = (
    ("about", catalog.AboutHandler),
    ("models", catalog.ModelsHandler),
    ("hub", catalog.HubHandler),
    ("plan", catalog.PlanHandler),
    ("default", catalog.DefaultHandler),
    (r"pull(?:/([0-9a-z]{1,40}))?", local.PullHandler),
    ("remove", local.RemoveHandler),
    ("events", local.EventsHandler),
    (r"keys(?:/([^/]+))?", keys.KeysHandler),
    (r"keys/([^/]+)/test", keys.KeyTestHandler),
    ("activity", activity.ActivityHandler),
    (r"runs/([0-9a-z]{1,40})", activity.RunHandler),
    (r"prompts(?:/([^/]+))?", activity.PromptsHandler),
    (r"tutorials(?:/([^/]+))?", tutorials.TutorialsHandler),
)


def routes(base_url: str) -> list[tuple[str, Any]]:
    """The handlers under a server's base URL."""
    return [(url_path_join(base_url, "fmnb", path), handler) for path, handler in ROUTES]
