"""The options of `%%fm`: parser, help text and completion come from one table.

Options that Python has too take type and description from the TypedDicts of the public
functions (`CallOptions` and those that extend it); a row adds what only the line needs.

Lines are split at spaces and grouped by quotes. Models may come before or after options; there are no
abbreviations, and an option takes exactly one value or none.
"""

from __future__ import annotations

import difflib
import keyword
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from ...batch.options import NOT_WITH_BATCH_API, BatchOptions
from ...calls.options import CallOptions, key_docs, key_types
from ...comparison.options import CompareOptions
from ...core.errors import UsageError
from ...evals.options import EvaluateOptions
from .arguments import words_of

Kind: TypeAlias = Literal["text", "float", "int", "switch", "list", "pair", "values", "names"]


_KINDS: dict[object, Kind] = {bool: "switch", int: "int", float: "float"}


@dataclass(frozen=True)
class Option:
    """A row: long name, short name, name of the value ("" for a switch), and description.

    Options that Python has too have `key`, their name in `table`, which gives help and type; others
    have `own_help`. `own_kind` sets how the words are parsed, if not by the type; `off` marks a
    switch that sets its key to False.
    """

    long: str
    short: str
    value: str
    own_help: str = ""
    own_kind: Kind | None = None
    table: type | None = None
    key: str = ""
    off: bool = False

    @property
    def name(self) -> str:
        """Its name among the values of a line."""
        return self.long.replace("-", "_")

    @property
    def kind(self) -> Kind:
        """How its value is parsed: by the type of its key, unless the row sets a kind."""
        if self.own_kind is not None or self.table is None:
            return self.own_kind or "text"
        given = key_types(self.table)[self.key]
        return next((_KINDS[t] for t in (given, *get_args(given)) if t in _KINDS), "text")

    @property
    def help(self) -> str:
        """Its description without a period: the first line of its key's text, or the row's own."""
        text = self.own_help
        if not text and self.table is not None:
            text = key_docs(self.table)[self.key].split("\n")[0].rstrip(".")
        text = text[:1].lower() + text[1:]
        if self.own_kind in ("list", "pair", "values"):
            text += " (may be repeated)"
        return f"with --{REQUIRES[self.name]}: {text}" if self.name in REQUIRES else text


def _call(long: str, short: str = "", value: str = "", kind: Kind | None = None, key: str = "") -> Option:
    return Option(long, short, value, "", kind, CallOptions, key or long.replace("-", "_"))


def _compare(long: str, value: str = "", kind: Kind | None = None) -> Option:
    return Option(long, "", value, "", kind, CompareOptions, long)


def _batch(long: str, value: str = "") -> Option:
    return Option(long, "", value, "", None, BatchOptions, long.replace("-", "_"))


def _evaluate(long: str, value: str) -> Option:
    return Option(long, "", value, "", None, EvaluateOptions, long)


OPTIONS = (
    Option("out", "o", "NAME", "store the answer in a notebook variable; `NAME <<` before the models does the same"),
    _call("system", "s", "TEXT"),
    Option("chat", "c", "NAME", "continue the conversation with this name"),
    _call("temperature", "t", "NUMBER"),
    _call("max-tokens", "", "N"),
    _call("seed", "", "N"),
    _call("stop", "", "TEXT", "list"),
    _call("param", "p", "KEY=VALUE", "pair", key="params"),
    _call("format", "f", "FORMAT"),
    _call("schema", "", "TEXT|NAME"),
    _call("attach", "", "PATH|NAME", "list"),
    _call("with", "", "NAME,NAME", "names", key="sources"),
    _call("api", "", "API"),
    _call("quant", "", "BITS"),
    _call("dtype", "", "TYPE"),
    _compare("samples", "K"),
    _compare("vary", "OPTION=A,B", "values"),
    _compare("prompts", "NAME,NAME", "names"),
    _compare("blind"),
    Option(
        "over",
        "",
        "DATA",
        "run the prompt for every row of a table: a frame in the notebook, or a Parquet, CSV or JSONL file; columns are names in the prompt",
    ),
    _batch("head", "N"),
    _batch("budget", "MONEY"),
    _batch("yes"),
    _batch("rpm", "N"),
    _batch("tpm", "N"),
    _batch("concurrency", "N"),
    _batch("batch-api"),
    _batch("retry-errors"),
    _batch("fail-fast"),
    _batch("on", "ray[://...]"),
    Option(
        "score",
        "",
        "NAME,NAME",
        "evaluate answers with scorers (exact, numeric, f1, judge, ...) or functions in the notebook",
        "names",
    ),
    _evaluate("target", "COLUMN"),
    _evaluate("group", "COLUMN"),
    Option("save", "", "NAME", "save the prompt under a name"),
    Option("raw", "", "", "send the text as typed, without inserting values", "switch"),
    Option("dry-run", "", "", "show requests, hosts, tokens and price; send nothing", "switch"),
    Option("no-cache", "", "", "send the request again even if the answer is cached", "switch", CallOptions, "cache", off=True),
    _call("replay-only"),
    Option("background", "", "", "run in the background while the notebook continues", "switch"),
)
BY_FLAG = {f"--{o.long}": o for o in OPTIONS} | {f"-{o.short}": o for o in OPTIONS if o.short}

# Options that require another.
REQUIRES = dict.fromkeys(
    ("head", "budget", "yes", "rpm", "tpm", "concurrency", "batch_api", "retry_errors", "fail_fast", "on", "score"), "over"
)
REQUIRES |= {"target": "score", "group": "score"}

# Pairs that conflict, and why. Any other pair works.
CONFLICTS = (
    ("over", "chat", "rows run in parallel and share no conversation"),
    ("over", "vary", "with --over, compare models or use --samples"),
    ("over", "raw", "column values are inserted with {{ name }}"),
    ("over", "background", "a batch shows its progress; interrupt it, and run the same cell later to resume"),
    ("over", "format=code", "a table of answers is not a cell"),
    ("over", "format=image", "images are generated one cell at a time"),
    ("over", "format=html", "answers are columns of a table"),
    ("over", "format=math", "answers are columns of a table"),
    ("over", "format=json", "answers are columns of a table; --schema gives them fields"),
    ("over", "blind", "the table's columns show the model names; compare without --over"),
    *(("batch-api", name.replace("_", "-"), why) for name, why in NOT_WITH_BATCH_API.items()),
    ("chat", "samples", "a conversation has one answer per turn; fork it with `%fm chat NAME fork OTHER`"),
    ("chat", "vary", "a conversation has one answer per turn; fork it with `%fm chat NAME fork OTHER`"),
    ("chat", "prompts", "the turns of a conversation are what you type"),
    ("with", "on", "sources are searched in this kernel; leave --on out"),
    ("with", "format=image", "an image cites nothing"),
    ("save", "prompts", "the prompts already have names"),
    ("format=code", "samples", "only one cell is inserted below; compare first, then ask for code"),
    ("format=code", "vary", "only one cell is inserted below; compare first, then ask for code"),
    ("format=code", "prompts", "only one cell is inserted below; compare first, then ask for code"),
    ("blind", "background", "a vote needs all answers; wait for them"),
    ("blind", "chat", "a conversation has one model, and you know which"),
    ("blind", "format=code", "only one cell is inserted below; compare first, then ask for code"),
    ("background", "out", "the variable would still be empty when the next cell runs; use Out or `%fm log` instead"),
    ("background", "chat", "the next turn could start before this one ends"),
    ("background", "format=code", "a cell can only be inserted while this one runs"),
    ("chat", "models>1", "a conversation has one model; fork it with `%fm chat NAME fork OTHER`"),
    ("chat", "schema", "a conversation is text; use a separate cell for structured output"),
    ("format=code", "models>1", "only one cell is inserted below; compare first, then ask one model for code"),
    ("format=image", "schema", "an image has no fields"),
    ("format=code", "schema", "structured output is data, not code"),
    ("format=html", "schema", "structured output is data, not HTML"),
    ("format=math", "schema", "structured output is data, not mathematics"),
    ("raw", "save", "a saved prompt is rendered when it is used; add --raw there"),
    ("dry-run", "background", "--dry-run sends nothing, so there is nothing to wait for"),
    ("no-cache", "replay-only", "--replay-only never calls a model"),
)


@dataclass(frozen=True)
class Line:
    """A parsed `%%fm` line."""

    models: tuple[str, ...] = ()
    out: str | None = None
    values: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of an option by its long name, with `-` as `_`."""
        return self.values.get(name, default)

    def options(self, table: type) -> dict[str, Any]:
        """The line's values for the keys of a TypedDict, without inherited keys.

        >>> parse("echo: -t 0.2 --no-cache -p top_p=0.9").options(CallOptions)
        {'temperature': 0.2, 'params': {'top_p': 0.9}, 'cache': False}
        """
        return {
            o.key: o.off is not self.values[o.name] if o.kind == "switch" else self.values[o.name]
            for o in OPTIONS
            if o.table is table and o.name in self.values
        }


def parse(line: str) -> Line:
    """Parse the text after `%%fm`. Raises UsageError with a suggestion.

    >>> parse("out << echo: -t 0.2 --stop END").models
    ('echo:',)
    """
    words = words_of(line)
    out = None
    if len(words) > 1 and words[1] == "<<":
        out, words = words[0], words[2:]
    elif words and words[0].endswith("<<"):
        out, words = words[0][:-2], words[1:]
    models: list[str] = []
    values: dict[str, Any] = {}
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("-") or word == "-":
            models.append(word)
            continue
        flag, eq, inline = word.partition("=") if word.startswith("--") else (word, "", "")
        option = BY_FLAG.get(flag) or _unknown(flag, inline or "".join(words[at : at + 1]))
        name = option.name
        if option.kind == "switch":
            if eq:
                raise UsageError(f"{flag} takes no value", detail=word)
            values[name] = True
            continue
        if eq:
            value = inline
        elif at < len(words) and words[at] not in BY_FLAG:
            value = words[at]
            at += 1
        else:
            raise UsageError(f"{flag} needs a value", hint=f"{flag} {option.value}: {option.help}.")
        _store(values, name, option, flag, value)
    return _validate(models, out, values)


def _unknown(flag: str, value: str = "") -> Option:
    if flag in ("--model", "--models", "-m"):
        raise UsageError("The model stands first, without an option", detail=flag, hint=f"%%fm {value or 'MODEL'}")
    if not flag.startswith("--") and len(flag) > 2:  # -temp 5
        long = [f for f in BY_FLAG if f.startswith(f"-{flag}")][:1] or difflib.get_close_matches(f"-{flag}", BY_FLAG, 1, 0.7)
        if long:
            short = BY_FLAG[long[0]].short
            names = f"-{short} or {long[0]}" if short else long[0]
            raise UsageError("No such option", detail=flag, hint=f"Did you mean {names}?")
    near = [f for f in BY_FLAG if len(flag) > 4 and f.startswith(flag)][:1]  # --temp is --temperature
    near = near or difflib.get_close_matches(flag, BY_FLAG, 1, 0.6)
    if flag == "--tools":
        raise UsageError("--tools is not part of this version yet", hint="`%fm help` lists what is.")
    raise UsageError("No such option", detail=flag, hint=f"Did you mean {near[0]}?" if near else "`%%fm?` lists them.")


def _store(values: dict[str, Any], name: str, option: Option, flag: str, value: str) -> None:
    if option.kind == "list":
        values[name] = (*values.get(name, ()), value)
        return
    if option.kind == "names":
        if name in values:
            raise UsageError(f"{flag} is used twice", detail=value, hint=f"Join the names: {flag} {','.join((*values[name], value))}.")
        given_names = tuple(n.strip() for n in value.split(","))
        if not all(given_names) or len(set(given_names)) < len(given_names):
            raise UsageError(f"{flag} takes different names, separated by commas", detail=value)
        values[name] = given_names
        return
    if option.kind == "values":
        key, eq, listed = value.partition("=")
        several = [_literal(v.strip()) for v in listed.split(",")]
        if not eq or not key or len(several) < 2:
            raise UsageError(f"{flag} needs an option and two values or more", detail=value, hint=f"{flag} temperature=0,0.7")
        values[name] = {**values.get(name, {}), key.replace("-", "_"): several}
        return
    if option.kind == "pair":
        key, eq, value = value.partition("=")
        if not eq or not key:
            raise UsageError(f"{flag} needs KEY=VALUE", detail=value)
        values[name] = {**values.get(name, {}), key: _literal(value)}
        return
    if name in values:
        raise UsageError(f"{flag} is used twice", detail=f"{values[name]!r} and {value!r}")
    try:
        values[name] = {"float": float, "int": int}.get(option.kind, str)(value)
    except ValueError:
        raise UsageError(f"{flag} needs a {'whole number' if option.kind == 'int' else 'number'}", detail=repr(value)) from None


def _literal(text: str) -> Any:
    """A parameter's value, parsed as JSON if possible, otherwise the text."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


def _validate(models: list[str], out: str | None, values: dict[str, Any]) -> Line:
    if out is not None and "out" in values:
        raise UsageError("The answer can have only one name", detail=f"{out} << and -o {values['out']}", hint="Leave one of them out.")
    out = values.pop("out", None) if out is None else out
    if out is not None:
        out = unicodedata.normalize("NFKC", out)  # as Python reads names: µ typed on a keyboard is the Greek letter
        if not out.isidentifier() or keyword.iskeyword(out):
            raise UsageError("That is not a variable name", detail=repr(out))
    if out is not None:
        values["out"] = out
    used = {name: True for name, value in values.items() if value not in (None, False, (), {})}
    if "format" in values:
        used[f"format={values['format']}"] = True
    if len(models) > 1:
        used["models>1"] = True
    if len(set(models)) < len(models):
        duplicate = next(m for m in models if models.count(m) > 1)
        raise UsageError("A model is named twice", detail=duplicate)
    for name, needed in REQUIRES.items():
        if name in values and needed not in values:
            raise UsageError(
                f"--{name.replace('_', '-')} needs --{needed}",
                hint=f"--{needed} {BY_FLAG[f'--{needed}'].value}: {BY_FLAG[f'--{needed}'].help}.",
            )
    for a, b, why in CONFLICTS:
        if used.get(a.replace("-", "_")) and used.get(b.replace("-", "_")):
            raise UsageError(f"{_option_text(a)} and {_option_text(b)} cannot be combined", hint=f"{why[0].upper()}{why[1:]}.")
    return Line(tuple(models), out, values)


def _option_text(name: str) -> str:
    if name == "models>1":
        return "several models"
    if name.startswith("format="):
        return f"-f {name[7:]}"
    return f"--{name}"


def help_text() -> str:
    """The text of `%%fm?`: usage, options, and options that conflict."""
    rows = [f"  {(f'-{o.short}, ' if o.short else '    ') + f'--{o.long} {o.value}':<28} {o.help}" for o in OPTIONS]
    conflicts = [f"  {_option_text(a)} with {_option_text(b)}: {why}" for a, b, why in CONFLICTS]
    return "\n".join(
        [
            "Send a prompt to a foundation model; the answer streams below the cell.",
            "",
            "    %%fm [NAME <<] [MODEL ...] [options]",
            "    prompt text with {{ python expressions }}",
            "",
            "Without a model, the first of these: `%fm use`, the notebook's choice, FMNB_MODEL, fmnb.toml, the embedded model.",
            "Several models answer side by side, each with its own request.",
            "",
            "Options",
            *rows,
            "",
            "All options can be combined, except",
            *conflicts,
        ]
    )
