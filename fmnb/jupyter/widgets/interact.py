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
from ...views.colors import MUTED
from ...views.footer import escape_terminal
from . import base
from .answer_stream import static_answer
from .ask_mixin import AskMixin, estimate_cost, notebook_variables

_CALL_OPTIONS = ("model", "system", "temperature", "max_tokens", "seed", "stop", "format", "schema", "api", "quant", "dtype")
_STEPS = 20  # steps of a slider between fractional numbers


@dataclass(frozen=True)
class Control:
    """One control: `kind` is menu, slider, check, text or number.

    `labels` are shown in a menu, `values` go into the prompt.
    """

    name: str
    kind: str
    value: Any
    labels: tuple[str, ...] = ()
    values: tuple[Any, ...] = field(default=(), repr=False)
    minimum: float = 0
    maximum: float = 0
    step: float = 0

    def parse(self, value: Any) -> Any:
        """The value for what the page sent. UsageError for a value that the control does not offer."""
        try:
            if self.kind == "menu":
                return self.values[int(value) if int(value) >= 0 else len(self.values)]
            if self.kind == "check":
                return bool(value)
            if self.kind == "text":
                return str(value)
            number = float(value)
            if self.kind == "slider" and not self.minimum <= number <= self.maximum:
                raise ValueError
            return int(number) if isinstance(self.value, int) and number == int(number) else number
        except (IndexError, OverflowError, TypeError, ValueError):
            raise UsageError(f"{self.name} cannot have this value", detail=repr(value)[:80]) from None


def control(name: str, value: Any) -> Control | None:
    """The control for a value; None for a value that stays as it is.

    A list or dict makes a menu, (minimum, maximum[, step]) a slider, True or False a checkbox, text
    a text field, a number a number field.

    >>> control("reader", ["child", "expert"]).kind, control("temperature", (0, 1.0)).step
    ('menu', 0.05)
    """
    if isinstance(value, (list, dict)):
        if not value:
            raise UsageError(f"The menu {name} is empty", hint="Pass two values or more.")
        labels = tuple(str(v) for v in value)
        return Control(name, "menu", next(iter(value.values() if isinstance(value, dict) else value)), labels, tuple(_values(value)))
    if isinstance(value, tuple):
        return _slider(name, value)
    if isinstance(value, bool):
        return Control(name, "check", value)
    if isinstance(value, str):
        return Control(name, "text", value)
    if isinstance(value, (int, float)):
        return Control(name, "number", value, step=1 if isinstance(value, int) else 0)
    return None


def _values(options: Any) -> Sequence[Any]:
    return list(options.values()) if isinstance(options, dict) else options


def _slider(name: str, limits: tuple[Any, ...]) -> Control:
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in limits)
    if not (numbers and len(limits) in (2, 3) and limits[0] < limits[1] and (len(limits) == 2 or 0 < limits[2] <= limits[1] - limits[0])):
        raise UsageError("A slider must be (minimum, maximum) or (minimum, maximum, step)", detail=f"{name}={limits!r}")
    whole = all(isinstance(v, int) for v in limits)
    step = limits[2] if len(limits) == 3 else 1 if whole else (limits[1] - limits[0]) / _STEPS
    steps = round((limits[1] - limits[0]) / step)
    middle = limits[0] + (steps // 2) * step
    value = int(middle) if whole else round(float(middle), 10)
    return Control(name, "slider", value, minimum=limits[0], maximum=limits[1], step=step)


class Interact(AskMixin):
    """A prompt with controls for its values: a widget in a notebook, and a function in a script.

    Names in the prompt without a control come from the notebook.

        fm.Interact("Explain {{ topic }} to a {{ reader }}", reader=["child", "expert"], temperature=(0, 1.0))

    Args:
        prompt: A template, or an `fm.Prompt`.
        model: The model, as in `fm.ask`.
        auto: Whether to send the request again after each change of a control.
        **controls: What a name in the prompt, or an option of `fm.ask`, can be: a list or dict is a
            menu, (minimum, maximum) or (minimum, maximum, step) a slider, True or False a checkbox,
            a text a text field, a number a number field; any other value goes in as it is.

    Raises:
        UsageError: There is no prompt, or a control is invalid.

    >>> ask = Interact("Say {{ what }}", "echo:", what=["yes", "no"])
    >>> ask().text, ask(what="maybe").text
    ('Say yes', 'Say maybe')
    """

    kind = "Interact"
    _esm = base.assets("answer_stream", "interact")["_esm"]
    _css = base.assets("answer_stream", "interact")["_css"]
    about = traitlets.Dict().tag(sync=True)
    now = traitlets.Dict().tag(sync=True)  # the shown run, and the values of the controls

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
        self._prepared: PreparedCall | None = None
        self._shown_values: dict[str, Any] = {}  # values of the shown answer
        self.options({})  # raises for a mistyped option
        self.about = {
            "prompt": str(prompt),
            "auto": bool(auto),
            "controls": [_control_data(c) for c in self.controls.values()],
        }
        self._push_state()

    # For scripts

    def __call__(self, **values: object) -> Response:
        """Ask with these values, and the controls' values otherwise; raises what `fm.ask` raises."""
        asked = self.prepare(values)
        run_calls([asked])
        self._prepared = asked
        self._show_result(asked, {**self.values, **values})
        self.show_answer(asked)
        self._push_state(asked.call.run)
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
        values_: dict[str, Any] = {**self.fixed, **self.values, **values}
        call_options = {n: values_.pop(n) for n in _CALL_OPTIONS if n in values_}
        model = call_options.pop("model", self.model)
        return model, options_from({**call_options, "values": {**notebook_variables(), **values_}})

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

    # Messages from the page

    def on_show(self) -> None:
        """A page has drawn the widget: send the prompt, its tokens and price."""
        self.on_draft({})

    def on_draft(self, values: Mapping[str, object]) -> None:
        """The controls have changed: store them, and send prompt, tokens and price. No model is called."""
        self._set_values(values)
        try:
            model, options = self.options({})
            if isinstance(self.prompt, Prompt) and self.prompt.system and options.system is None:
                options = replace(options, system=self.prompt.system)
            asked, waiting = draft(str(self.prompt), model, options)
        except FmnbError as e:
            self.send({"do": "draft", "problem": base.error_lines(e)})
            return
        text = escape_terminal(asked.call.request.messages[-1].text)
        estimate_cost(asked, waiting, lambda words: self.send({"do": "draft", "text": text[:4_000], **words}))

    def on_ask(self, values: Mapping[str, object]) -> None:
        """Send the request with the current values; a running answer is stopped."""
        self._set_values(values)
        asked = self.prepare()
        if self._prepared is not None and self._prepared.response is None and self._prepared.error is None:
            stop(self._prepared.call.run)
        self._prepared, shown = asked, dict(self.values)
        self._push_state(asked.call.run)
        self.start_call(asked, lambda: self._show_result(asked, shown))

    def on_auto(self, on: bool) -> None:
        """Switch on or off sending after each change."""
        self.about = {**self.about, "auto": bool(on)}

    def _set_values(self, values: Mapping[str, object]) -> None:
        taken = {n: self.controls[n].parse(v) for n, v in values.items() if n in self.controls}
        self.values |= taken
        self._push_state()

    def _push_state(self, run: str = "") -> None:
        at = {n: _control_position(c, self.values[n]) for n, c in self.controls.items()}
        self.now = {"values": at, "run": run or self.now.get("run", "")}

    def _show_result(self, asked: PreparedCall, values: dict[str, Any]) -> None:
        if self._prepared is not None and asked is not self._prepared:
            return  # a later answer is shown
        self._prepared, self._shown_values = asked, values
        self.response = asked.response
        self.update_static_view()

    def static_view(self) -> base.Bundle | None:
        """The prompt, the values of the controls, and the answer."""
        values = ", ".join(f"{n} = {v}" for n, v in (self._shown_values or self.values).items())
        head = f"{escape_terminal(str(self.prompt))}\n{escape_terminal(values)}".strip()
        html = f'<p style="white-space:pre-wrap;color:{MUTED};margin:.2em 0;overflow-wrap:anywhere" dir="auto">{inert(head)}</p>\n'
        if self.response is None:
            return {"text/html": html, "text/plain": head}, {"fmnb": {"widget": self.kind}}
        data, metadata = static_answer(self.response, _format_of(self._prepared))
        return {
            "text/html": html + data["text/html"],
            "text/plain": f"{head}\n\n{data['text/plain']}",
        }, metadata

    def __repr__(self) -> str:
        return f"Interact({str(self.prompt)[:60]!r}, {', '.join(self.controls) or 'no controls'})"


def _format_of(asked: PreparedCall | None) -> str:
    return display_format(asked) if asked is not None else "markdown"


def _control_data(c: Control) -> dict[str, Any]:
    return {k: v for k, v in asdict(c).items() if k in ("name", "kind", "labels", "minimum", "maximum", "step")} | {
        "whole": isinstance(c.value, int)
    }


def _control_position(c: Control, value: Any) -> Any:
    """A control's value as the page has it: a menu by index."""
    if c.kind != "menu":
        return value
    return next((i for i, v in enumerate(c.values) if v is value), next((i for i, v in enumerate(c.values) if _same(v, value)), 0))


def _same(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # frames and arrays compare element by element
        return False
