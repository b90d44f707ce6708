"""Renders chat templates, for every engine that takes text: GGUF files and folders on torch.

A template comes with the weights and is untrusted: it runs in a read-only sandbox, with limits on
the text that it makes and on the steps that it takes.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ...core.errors import BadRequestError
from ...core.optional import require


def render(template: str, messages: Sequence[Mapping[str, Any]], names: Mapping[str, Any]) -> str:
    """A conversation as text, including the generation prompt.

    Raises BadRequestError if the template rejects the conversation, or exceeds a limit.
    """
    require("jinja2", "torch", "to render a chat template")
    from jinja2 import TemplateError

    from .template_limits import render_limited

    try:
        return render_limited(_compiled(template), messages=messages, add_generation_prompt=True, **names)
    except TemplateError as e:
        raise BadRequestError(
            "The model's chat template rejected the conversation", detail=str(e), hint="Check the order and kinds of messages."
        ) from None
    except RecursionError:
        raise BadRequestError("The model's chat template rejected the conversation", detail="it calls itself without end") from None


def check_limits(template: str, messages: Sequence[Mapping[str, Any]], names: Mapping[str, Any]) -> None:
    """Raise BadRequestError if a template that another library renders exceeds a limit of ours.

    What our sandbox rejects for another reason is left to that library. Without jinja2, nothing is checked.
    """
    try:
        from jinja2 import TemplateError

        from .template_limits import TemplateTooLargeError, render_limited
    except ImportError:
        return
    try:
        render_limited(_compiled(template), messages=messages, add_generation_prompt=True, **names)
    except TemplateTooLargeError as e:
        raise BadRequestError(
            "The model's chat template exceeds a limit", detail=str(e), hint="Use weights from somebody you trust."
        ) from None
    except (TemplateError, RecursionError, TypeError, ValueError, KeyError, AttributeError):
        pass


@functools.lru_cache(8)
def _compiled(template: str) -> Any:
    """The compiled template, cached, since all rows of a table use the same one."""
    from jinja2 import TemplateError

    from .template_limits import GenerationTag, LimitedEnvironment

    def refuse(words: str) -> None:
        raise TemplateError(words)

    environment = LimitedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", GenerationTag])
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False) -> str:
    indent = min(indent, 16) if isinstance(indent, int) else None
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
