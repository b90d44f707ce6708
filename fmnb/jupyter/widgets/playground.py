"""`fm.Playground`: try a prompt, a model and its parameters, with earlier attempts beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import traitlets

from ...calls.call import Options, PreparedCall
from ...calls.draft import draft, undefined_names
from ...calls.parameters import Parameter, parameters
from ...calls.prepare import prepare, target_for
from ...calls.run import run_calls
from ...calls.session import default_model
from ...comparison.compare import display_format
from ...core.errors import FmnbError, UsageError
from ...core.inert_text import inert
from ...core.response import Response
from ...core.typing import ModelLike
from ...views.colors import MUTED
from ...views.comparison import columns_bundle, layout
from ...views.diff import diff_html
from ...views.footer import cost, escape_terminal, seconds
from . import base, model_picker
from .answer_stream import static_answer
from .ask_mixin import AskMixin, estimate_cost, notebook_variables
from .cell_source import cell_of

_EMPTY_FORM = {"model": "", "system": "", "prompt": "", "params": {}, "raw": ""}


@dataclass
class Attempt:
    """The fields as typed, and the call made from them. `number` counts from 1."""

    number: int
    form: Mapping[str, Any]
    prepared: PreparedCall
    state: str = "running"

    @property
    def run(self) -> str:
        """The id of the run."""
        return self.prepared.call.run

    @property
    def label(self) -> str:
        """A label to distinguish attempts."""
        return f"{self.number} · {escape_terminal(self.prepared.call.target.requested_model)}"


class Playground(AskMixin):
    """A widget to try a prompt on models, with parameters, tokens, price and earlier attempts.

    `{{ }}` takes values of the notebook. `responses` are the answers so far, `response` the last.

        fm.Playground("embedded", "Explain {{ topic }} in one sentence.", temperature=0)

    Args:
        model: The model to start with, as in `fm.ask`; the default model if empty.
        prompt: Text to start with.
        system: System prompt to start with.
        **params: Values of the fields for parameters, such as `temperature`; each is shown as text.

    Raises:
        UsageError: There is no such field.

    >>> play = Playground("echo:", "hello", temperature=0)
    >>> play.run().text
    'hello'
    """

    kind = "Playground"
    _esm = base.assets("answer_stream", "model_picker", "playground")["_esm"]
    _css = base.assets("answer_stream", "model_picker", "playground")["_css"]
    form = traitlets.Dict().tag(sync=True)  # contents of the fields; `v` increases when the kernel changes them
    fields: Any = traitlets.List().tag(sync=True)  # the model's parameters
    attempts: Any = traitlets.List().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)  # the shown run, and the pinned one

    def __init__(self, model: ModelLike = "", prompt: str = "", *, system: str = "", **params: object):
        super().__init__()
        known = {p.name for p in _ALL_PARAMETERS}
        if wrong := sorted(set(params) - known):
            raise UsageError("A playground has no such field", detail=wrong[0], hint=f"Fields: {', '.join(sorted(known))}.")
        values = {n: "\n".join(v) if isinstance(v, (list, tuple)) else str(v) for n, v in params.items() if v is not None}
        self._attempts: list[Attempt] = []
        self._custom: dict[str, ModelLike] = {}  # a model that is no name, by the name that the field shows
        name = model if isinstance(model, str) else target_for(model).requested_model
        if not isinstance(model, str):
            self._custom[name] = model
        self.form = {**_EMPTY_FORM, "model": name or default_model()[0], "system": system, "prompt": prompt, "params": values, "v": 1}
        self._push_attempts()
        self._update_fields()

    # For scripts

    @property
    def responses(self) -> list[Response]:
        """The answers so far, oldest first.

        >>> play = Playground("echo:", "hello")
        >>> _ = play.run(), play.run()
        >>> [r.text for r in play.responses]
        ['hello', 'hello']
        """
        return [a.prepared.response for a in self._attempts if a.prepared.response is not None]

    @property
    def response(self) -> Response | None:
        """The last answer.

        >>> play = Playground("echo:", "hello")
        >>> _ = play.run()
        >>> play.response.text
        'hello'
        """
        return self.responses[-1] if self.responses else None

    def prepare(self) -> PreparedCall:
        """Prepare the call that the fields describe, without sending it.

        Returns:
            The call, ready to run.

        Raises:
            FmnbError: The fields do not describe a valid call.

        >>> Playground("echo:", "hello").prepare().call.request.messages[-1].text
        'hello'
        """
        return prepare(self._prompt, self._model, self.options())

    def run(self) -> Response:
        """Send the request and wait for the answer.

        Returns:
            The answer, which is stored as an attempt.

        Raises:
            FmnbError: As `fm.ask` does.

        >>> play = Playground("echo:", "hello")
        >>> play.run().text
        'hello'
        """
        attempt = self._add(self.prepare())
        run_calls([attempt.prepared])
        self._on_end(attempt)
        self.show_answer(attempt.prepared)
        if attempt.prepared.error is not None:
            raise attempt.prepared.error
        assert attempt.prepared.response is not None
        return attempt.prepared.response

    def options(self) -> Options:
        """The options in the fields that the model supports.

        Returns:
            Options of a call.

        Raises:
            UsageError: A field cannot be read.

        >>> Playground("echo:", "hello", temperature=0.5).options().temperature
        0.5
        """
        kinds = {p["name"]: p["kind"] for p in self.fields}
        values = {n: _parse_field(n, kinds[n], v) for n, v in self.form["params"].items() if n in kinds and str(v).strip()}
        return Options(system=self.form["system"] or None, params=_parse_raw(self.form["raw"]), values=notebook_variables(), **values)

    @property
    def _model(self) -> ModelLike | None:
        name = self.form["model"]
        return self._custom.get(name, name) or None

    @property
    def _prompt(self) -> str:
        return self.form["prompt"].strip("\n")  # as a cell's text is

    def source(self, run: str = "") -> str:
        """The `%%fm` cell that sends the same request.

        Args:
            run: Id of an attempt's run; the fields as they are if empty.

        Returns:
            The text of the cell.

        >>> print(Playground("echo:", "hello", temperature=0.5).source())
        %%fm echo: -t 0.5
        hello
        """
        if run:
            attempt = self._attempt(run)
            form, asked = attempt.form, attempt.prepared
        else:
            form, asked = self.form, draft(self._prompt, self._model, self.options())[0]
        model = form["model"] or asked.call.target.requested_model
        return cell_of(
            asked.call.request,
            model,
            template=form["prompt"].strip("\n"),
            system=form["system"],
            schema=" ".join(form["params"].get("schema", "").split()) if asked.spec else "",
        )

    # Messages from the page

    def on_show(self) -> None:
        """A page has drawn the widget: send the model's parameters and the prompt's tokens."""
        self._update_fields()
        self._estimate_cost()

    def on_draft(self, form: Mapping[str, object]) -> None:
        """The fields have changed: store them and send tokens and price. No model or function is called."""
        self._store_form(form)
        self._estimate_cost()

    def on_preview(self, form: Mapping[str, object]) -> None:
        """Render the prompt, including function calls in `{{ }}`, and send the messages."""
        self._store_form(form)
        asked = self.prepare()
        text = "\n\n".join(f"{m.role}:\n{m.text}" for m in asked.call.request.messages)
        self.send({"do": "preview", "text": escape_terminal(text)[:20_000]})
        estimate_cost(asked, (), lambda words: self.send({"do": "weight", **words}))

    def on_models(self, query: str = "") -> None:
        """Send the models that fit a query."""
        model_picker.send_models(query, self.send)

    def on_run(self, form: Mapping[str, object]) -> None:
        """Send the request; the answer is a new attempt."""
        self._store_form(form)
        self._estimate_cost()
        attempt = self._add(self.prepare())
        self.start_call(attempt.prepared, lambda: self._on_end(attempt))

    def on_restore(self, run: str) -> None:
        """Restore an attempt's fields, and show its answer."""
        attempt = self._attempt(run)
        self.form = {**attempt.form, "v": self.form["v"] + 1}
        self.shown = {**self.shown, "run": run}
        self._update_fields()
        self._estimate_cost()
        self.update_static_view()

    def on_pin(self, run: str = "") -> None:
        """Pin an attempt beside the others; an empty run unpins it."""
        if run:
            self._attempt(run)
        self.shown = {**self.shown, "pinned": run}
        self.update_static_view()

    def on_diff(self) -> None:
        """Send the differences between the pinned and the shown answer, by word."""
        one, other = (self._attempt(self.shown[k]).prepared.response for k in ("pinned", "run"))
        if one is None or other is None:
            raise UsageError("The answer is not complete yet", hint="Wait until it has ended.")
        self.send({"do": "diff", "run": self.shown["run"], "html": diff_html(one.text, other.text)})

    def on_cell(self, run: str = "", form: Mapping[str, object] | None = None) -> None:
        """Send the cell that sends the same request."""
        if form is not None:
            self._store_form(form)
        self.send({"do": "insert", "sources": [self.source(run)]})

    def _store_form(self, form: Mapping[str, object]) -> None:
        """Store the fields; values that are not text are left out."""
        before = self.form["model"]
        texts = {k: str(form.get(k, self.form[k])) for k in ("model", "system", "prompt", "raw")}
        params = form.get("params")
        given = {str(k): str(v) for k, v in params.items()} if isinstance(params, dict) else self.form["params"]
        self.form = {**texts, "params": given, "v": self.form["v"]}
        if texts["model"] != before:
            self._update_fields()

    def _update_fields(self) -> None:
        """Update the fields to the parameters of the model."""
        try:
            found = parameters(target_for(self._model, notebook_variables()))
        except FmnbError:  # an incomplete name; `_estimate_cost` shows the error
            found = _ALL_PARAMETERS[:5]
        self.fields = [{"name": p.name, "kind": p.kind, "choices": p.choices, "minimum": p.minimum, "maximum": p.maximum} for p in found]

    def _estimate_cost(self) -> None:
        texts = (self._prompt, self.form["system"])
        if not self._attempts and (missing := list(dict.fromkeys(n for t in texts for n in undefined_names(t, notebook_variables())))):
            # no mistake yet: the cell that defines it may come before the first run
            self.send({"do": "weight", "note": f"{', '.join(missing)}: not defined yet"})
            return
        try:
            asked, waiting = draft(self._prompt, self._model, self.options())
        except FmnbError as e:
            self.send({"do": "weight", "problem": base.error_lines(e) if self._prompt.strip() else ""})
            return
        estimate_cost(asked, waiting, lambda words: self.send({"do": "weight", **words}))

    def _attempt(self, run: str) -> Attempt:
        for a in self._attempts:
            if a.run == run:
                return a
        raise UsageError("No such attempt", detail=repr(run)[:40])

    def _add(self, asked: PreparedCall) -> Attempt:
        attempt = Attempt(len(self._attempts) + 1, self.form, asked)
        self._attempts.append(attempt)
        self._push_attempts()
        self.shown = {**self.shown, "run": attempt.run}
        return attempt

    def _on_end(self, attempt: Attempt) -> None:
        attempt.state = "failed" if attempt.prepared.error else "finished"
        self._push_attempts()
        self.update_static_view()

    def _push_attempts(self) -> None:
        self.attempts = [_attempt_row(a) for a in self._attempts]
        if not self.shown:
            self.shown = {"run": "", "pinned": ""}

    def static_view(self) -> base.Bundle | None:
        """The shown attempt with its prompts and its answer, beside the pinned one."""
        found = [self._attempt(run) for run in dict.fromkeys((self.shown["pinned"], self.shown["run"])) if run]
        done = [a for a in found if a.prepared.response is not None]
        if not done:
            return {
                "text/html": f'<p style="color:{MUTED}">An empty playground.</p>\n',
                "text/plain": "Playground",
            }, {}
        form = done[-1].form
        prompt = "\n\n".join(filter(None, (form["system"].strip(), form["prompt"].strip())))
        head = f'<p style="white-space:pre-wrap;overflow-wrap:anywhere;color:{MUTED};margin:.2em 0" dir="auto">{inert(escape_terminal(prompt))}</p>\n'
        if len(done) == 1:
            r, how = done[0].prepared.response, display_format(done[0].prepared)
            assert r is not None
            data, metadata = static_answer(r, how)
        else:
            labels = [a.label for a in done]
            responses = [a.prepared.response for a in done if a.prepared.response is not None]
            data, metadata = columns_bundle(
                responses, labels, layout([{"model": n} for n in labels], labels), format=display_format(done[0].prepared)
            )
        return {"text/html": head + data["text/html"], "text/plain": f"{escape_terminal(prompt)}\n\n{data['text/plain']}"}, metadata

    def __repr__(self) -> str:
        return f"Playground({self.form['model'] or 'default model'!r}, {len(self._attempts)} attempts)"


_ALL_PARAMETERS: tuple[Parameter, ...] = parameters(target_for("echo:")) + tuple(Parameter(n, "choice") for n in ("api", "quant", "dtype"))


def _attempt_row(a: Attempt) -> dict[str, Any]:
    r = a.prepared.response
    note = "waiting …" if r is None else " · ".join(filter(None, (_state(r), seconds(r.seconds), cost(r) if not r.error else "")))
    prompt = " ".join(a.form["prompt"].split())
    params = ", ".join(f"{n} {v}" for n, v in a.form["params"].items() if str(v).strip() and n in ("temperature", "max_tokens", "seed"))
    return {
        "run": a.run,
        "label": a.label,
        "prompt": prompt[:120],
        "params": params,
        "note": note,
        "lost": list(r.not_applied) if r is not None else [],
    }


def _state(r: Response) -> str:
    return "failed" if r.error else "stopped" if r.finish_reason == "cancelled" else ""


def _parse_field(name: str, kind: str, text: Any) -> Any:
    """A field's text as the value of its option."""
    text = str(text).strip()
    if kind == "texts":
        return [line for line in text.split("\n") if line]
    if kind in ("number", "whole"):
        try:
            return float(text) if kind == "number" else int(text)
        except ValueError:
            raise UsageError(f"{name} must be a {'number' if kind == 'number' else 'whole number'}", detail=repr(text)) from None
    return text


def _parse_raw(text: str) -> dict[str, Any]:
    """Lines of name=value as raw parameters; values are parsed as JSON if possible."""
    params: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.split("\n"))):
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise UsageError("A raw parameter must be name=value", detail=line[:80], hint="Write one per line, such as top_p=0.9.")
        try:
            params[name.strip()] = json.loads(value)
        except ValueError:
            params[name.strip()] = value.strip()
    return params
