"""`fm.Interact`: a prompt with sliders and menus, in the spirit of `ipywidgets.interact`.

fm.Interact("Explain {{ topic }} to a {{ reader }}", reader=["child", "expert"], temperature=(0, 1.0))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import traitlets

from ...calls.call import Options, PreparedCall
from ...calls.draft import draft
from ...calls.prepare import options_from, prepare
from ...calls.run import run_calls, stop
from ...comparison.compare import display_format
from ...core.errors import FmnbError, UsageError
from ...core.inert_text import inert
from ...core.response import Response
from ...core.typing import ModelLike
from ...prompts.prompt import Prompt
from ...views.footer import escape_terminal
from ...views.html import MUTED
from . import base
from .answer_stream import still
from .ask_mixin import Asking, names, weigh

_DRIVEN = ("model", "system", "temperature", "max_tokens", "seed", "stop", "format", "schema", "api", "quant", "dtype")
_STEPS = 20  # of a slider between two numbers that are not whole


@dataclass(frozen=True)
class Control:
    """One control: `kind` is menu, slider, check, text or number. `labels` are shown in a menu, `values` go into the prompt."""

    name: str
    kind: str
    value: Any
    labels: tuple[str, ...] = ()
    values: tuple[Any, ...] = field(default=(), repr=False)
    least: float = 0
    most: float = 0
    step: float = 0

    def take(self, given: Any) -> Any:
        """The value that the page's word stands for. UsageError for one the control does not offer."""
        try:
            if self.kind == "menu":
                return self.values[int(given) if int(given) >= 0 else len(self.values)]
            if self.kind == "check":
                return bool(given)
            if self.kind == "text":
                return str(given)
            number = float(given)
            if self.kind == "slider" and not self.least <= number <= self.most:
                raise ValueError
            return int(number) if isinstance(self.value, int) and number == int(number) else number
        except (IndexError, OverflowError, TypeError, ValueError):
            raise UsageError(f"{self.name} cannot be that", detail=repr(given)[:80]) from None


def control(name: str, given: Any) -> Control | None:
    """The control for what was given: a list or dict is a menu, (least, most[, step]) a slider, True or False a box, text a field, a number a number field. None for any other value, which stays as it is.

    >>> control("reader", ["child", "expert"]).kind, control("temperature", (0, 1.0)).step
    ('menu', 0.05)
    """
    if isinstance(given, (list, dict)):
        if not given:
            raise UsageError(f"The menu {name} has nothing in it", hint="Give it two values or more.")
        labels = tuple(str(v) for v in given)
        return Control(name, "menu", next(iter(given.values() if isinstance(given, dict) else given)), labels, tuple(_values(given)))
    if isinstance(given, tuple):
        return _slider(name, given)
    if isinstance(given, bool):
        return Control(name, "check", given)
    if isinstance(given, str):
        return Control(name, "text", given)
    if isinstance(given, (int, float)):
        return Control(name, "number", given, step=1 if isinstance(given, int) else 0)
    return None


def _values(given: Any) -> Sequence[Any]:
    return list(given.values()) if isinstance(given, dict) else given


def _slider(name: str, given: tuple[Any, ...]) -> Control:
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in given)
    if not (numbers and len(given) in (2, 3) and given[0] < given[1] and (len(given) == 2 or 0 < given[2] <= given[1] - given[0])):
        raise UsageError("A slider is (least, most) or (least, most, step)", detail=f"{name}={given!r}")
    whole = all(isinstance(v, int) for v in given)
    step = given[2] if len(given) == 3 else 1 if whole else (given[1] - given[0]) / _STEPS
    steps = round((given[1] - given[0]) / step)
    middle = given[0] + (steps // 2) * step
    value = int(middle) if whole else round(float(middle), 10)
    return Control(name, "slider", value, least=given[0], most=given[1], step=step)


class Interact(Asking):
    """A prompt with controls for its values: a widget in a notebook, and a function in a script.

    Names in the prompt without a control come from the notebook.

        fm.Interact("Explain {{ topic }} to a {{ reader }}", reader=["child", "expert"], temperature=(0, 1.0))

    Args:
        prompt: A template, or an `fm.Prompt`.
        model: The model, as in `fm.ask`.
        auto: Whether to send the request again after each change of a control.
        **controls: What a name in the prompt, or an option of `fm.ask`, can be: a list or dict is a
            menu, (least, most) or (least, most, step) a slider, True or False a box, a text a text
            field, a number a number field; any other value goes in as it is.

    Raises:
        UsageError: There is no prompt, or a control is invalid.

    >>> ask = Interact("Say {{ what }}", "echo:", what=["yes", "no"])
    >>> ask().text, ask(what="maybe").text
    ('Say yes', 'Say maybe')
    """

    kind = "Interact"
    _esm = base.files("answer_stream", "interact")["_esm"]
    _css = base.files("answer_stream", "interact")["_css"]
    about = traitlets.Dict().tag(sync=True)
    now = traitlets.Dict().tag(sync=True)  # the run that is shown, and what the controls stand at

    def __init__(self, prompt: str | Prompt, model: ModelLike | None = None, /, *, auto: bool = False, **controls: object):
        super().__init__()
        if not isinstance(prompt, (str, Prompt)) or not str(prompt).strip():
            raise UsageError(
                "Interact needs a prompt", detail=repr(prompt)[:80], hint='fm.Interact("Explain {{ topic }}", topic=["a", "b"])'
            )
        self.prompt = prompt
        self.model = model
        self.fixed: dict[str, Any] = {}
        self.controls: dict[str, Control] = {}
        for name, given in controls.items():
            made = control(name, given)
            if made is None:
                self.fixed[name] = given
            else:
                self.controls[name] = made
        self.values: dict[str, Any] = {n: c.value for n, c in self.controls.items()}
        self.response: Response | None = None
        self._asked: PreparedCall | None = None
        self._shown: dict[str, Any] = {}  # values of the answer that is shown
        self.options({})  # a mistyped option is said now
        self.about = {
            "prompt": str(prompt),
            "auto": bool(auto),
            "controls": [_told(c) for c in self.controls.values()],
        }
        self._tell()

    # What a script does

    def __call__(self, **values: object) -> Response:
        """Ask with these values, the rest as the controls are; raises what `fm.ask` raises."""
        asked = self.prepare(values)
        run_calls([asked])
        self._asked = asked
        self._take(asked, {**self.values, **values})
        self.show_asked(asked)
        self._tell(asked.call.run)
        if asked.error is not None:
            raise asked.error
        assert asked.response is not None
        return asked.response

    def options(self, values: Mapping[str, object]) -> tuple[ModelLike | None, Options]:
        """Model and options of a call.

        Args:
            values: Values that replace those of the controls.

        Returns:
            The model, None for the default model, and the options.

        >>> model, options = Interact("Say {{ what }}", "echo:", what=["yes", "no"], temperature=(0, 1.0)).options({"temperature": 0.5})
        >>> model, options.temperature
        ('echo:', 0.5)
        """
        given: dict[str, Any] = {**self.fixed, **self.values, **values}
        driven = {n: given.pop(n) for n in _DRIVEN if n in given}
        model = driven.pop("model", self.model)
        return model, options_from({**driven, "values": {**names(), **given}})

    def prepare(self, values: Mapping[str, object] = {}) -> PreparedCall:
        """Prepare a call, without sending it.

        Args:
            values: Values that replace those of the controls.

        Returns:
            The call, ready to run.

        Raises:
            FmnbError: The values do not describe a valid call.

        >>> form = Interact("Say {{ what }}", "echo:", what=["yes", "no"])
        >>> form.prepare({"what": "no"}).call.request.messages[-1].text
        'Say no'
        """
        return prepare(self.prompt, *self.options(values))

    # What the page asks for

    def on_show(self) -> None:
        """A page has drawn the widget: send the prompt, its tokens and price."""
        self.on_draft({})

    def on_draft(self, values: Mapping[str, object]) -> None:
        """The controls have moved: keep that, and send prompt, tokens and price; nothing is asked."""
        self._set(values)
        try:
            model, options = self.options({})
            if isinstance(self.prompt, Prompt) and self.prompt.system and options.system is None:
                options = replace(options, system=self.prompt.system)
            asked, waiting = draft(str(self.prompt), model, options)
        except FmnbError as e:
            self.send({"do": "draft", "problem": base.problem_of(e)})
            return
        text = escape_terminal(asked.call.request.messages[-1].text)
        weigh(asked, waiting, lambda words: self.send({"do": "draft", "text": text[:4_000], **words}))

    def on_ask(self, values: Mapping[str, object]) -> None:
        """Ask with the controls as they are; an answer under way is stopped."""
        self._set(values)
        asked = self.prepare()
        if self._asked is not None and self._asked.response is None and self._asked.error is None:
            stop(self._asked.call.run)
        self._asked, shown = asked, dict(self.values)
        self._tell(asked.call.run)
        self.begin(asked, lambda: self._take(asked, shown))

    def on_auto(self, on: bool) -> None:
        """Ask whenever a control has changed, or not."""
        self.about = {**self.about, "auto": bool(on)}

    def _set(self, values: Mapping[str, object]) -> None:
        taken = {n: self.controls[n].take(v) for n, v in values.items() if n in self.controls}
        self.values |= taken
        self._tell()

    def _tell(self, run: str = "") -> None:
        at = {n: _place(c, self.values[n]) for n, c in self.controls.items()}
        self.now = {"values": at, "run": run or self.now.get("run", "")}

    def _take(self, asked: PreparedCall, values: dict[str, Any]) -> None:
        if self._asked is not None and asked is not self._asked:
            return  # one that was asked later is shown
        self._asked, self._shown = asked, values
        self.response = asked.response
        self.show_face()

    def face(self) -> base.Bundle | None:
        """The prompt, the values of the controls, and the answer."""
        said = ", ".join(f"{n} = {v}" for n, v in (self._shown or self.values).items())
        head = f"{escape_terminal(str(self.prompt))}\n{escape_terminal(said)}".strip()
        html = f'<p style="white-space:pre-wrap;color:{MUTED};margin:.2em 0;overflow-wrap:anywhere" dir="auto">{inert(head)}</p>\n'
        if self.response is None:
            return {"text/html": html, "text/plain": head}, {"fmnb": {"widget": self.kind}}
        data, metadata = still(self.response, _looks(self._asked))
        return {
            "text/html": html + data["text/html"],
            "text/plain": f"{head}\n\n{data['text/plain']}",
        }, metadata

    def __repr__(self) -> str:
        return f"Interact({str(self.prompt)[:60]!r}, {', '.join(self.controls) or 'no controls'})"


def _looks(asked: PreparedCall | None) -> str:
    return display_format(asked) if asked is not None else "markdown"


def _told(c: Control) -> dict[str, Any]:
    return {k: v for k, v in asdict(c).items() if k in ("name", "kind", "labels", "least", "most", "step")} | {
        "whole": isinstance(c.value, int)
    }


def _place(c: Control, value: Any) -> Any:
    """Where a control stands, as the page knows it: a menu by number."""
    if c.kind != "menu":
        return value
    return next((i for i, v in enumerate(c.values) if v is value), next((i for i, v in enumerate(c.values) if _same(v, value)), 0))


def _same(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # frames and arrays compare cell by cell
        return False
