"""Removes text from the content of a PDF's page that a person does not see, while pypdf reads it.

Hidden is text that is drawn invisibly (render mode 3), fully transparent, in the color of what is
behind it, smaller than a point, outside of the page, or on a layer that is switched off. Invisible text over a picture is the text layer of
a scan: it stays. What cannot be decided stays: text over shapes, gradients, patterns and clipped areas.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .pdf_geometry import IDENTITY, Box, Matrix, bounds, intersect, is_rectangle, multiply, to_matrix, transform

Color = tuple[float, float, float] | None  # None: unknown

_WHITE: Color = (1.0, 1.0, 1.0)
_ALIKE = 0.12  # sum of the differences of red, green and blue
_REGIONS = 1_500  # painted areas of a page that are remembered; with more, no color behind a text is known
_THIN = 3.0  # points; a narrower area is a line
_SHOW = {b"Tj", b"TJ", b"'", b'"'}
_FILLS = {b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"}


@dataclass(frozen=True, slots=True)
class _State:
    color: Color = (0.0, 0.0, 0.0)
    space: str = "DeviceGray"
    mode: int = 0
    alpha: float = 1.0
    clip: Box | None = None  # a rectangle that what is painted lies in
    clipped: bool = False  # by another shape
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class _Form:
    """A page, or a form that it draws: its matrix, its resources, and the state to return to."""

    matrix: Matrix
    resources: Any
    state: _State


class VisibleText:
    """Follows the content of one page; pypdf calls `before` and `after` with each operator.

    `hidden` tells whether text was taken out, `scan` whether there is the text layer of a scan.
    """

    def __init__(self, page: Any, layers_off: frozenset[int] = frozenset()) -> None:
        box = page.cropbox
        self._page: Box = (float(box.left), float(box.bottom), float(box.right), float(box.top))
        self._layers_off = layers_off
        self._state = _State()
        self._saved: list[_State] = []
        self._forms = [_Form(IDENTITY, _get(page, "/Resources"), self._state)]
        self._pending: _Form | None = None  # a form that begins with the next operator
        self._marks: list[bool] = []  # marked content, and whether its layer is off
        self._path: list[tuple[float, float]] = []
        self._rectangle = True  # whether the path has only rectangles
        self._next_clip = False
        self._regions: list[tuple[Box, Color, bool]] = []  # area, color, whether it is a picture
        self.hidden = False
        self.scan = False

    def before(self, operator: bytes, operands: Any, cm: Any, tm: Any) -> None:
        """An operator before pypdf acts on it; hidden text is taken out of its operands."""
        if self._pending is not None:
            self._forms.append(self._pending)
            self._pending = None
        try:
            if operator in _SHOW:
                self._show(operator, operands, multiply(to_matrix(tm), self._device(cm)))
            else:
                self._follow(operator, operands, cm)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError):
            pass  # a damaged operator: pypdf ignores it as well

    def after(self, operator: bytes, operands: Any, cm: Any, tm: Any) -> None:
        """An operator after pypdf acted on it; a form ends with the `Do` that drew it."""
        if operator == b"Do":
            if self._pending is None and len(self._forms) > 1:
                self._state = self._forms.pop().state
            self._pending = None

    def _device(self, cm: Any) -> Matrix:
        return multiply(to_matrix(cm), self._forms[-1].matrix)

    def _show(self, operator: bytes, operands: Any, where: Matrix) -> None:
        pieces = operands[0] if operator == b"TJ" else operands[-1]
        if not pieces or not self._is_hidden(where):
            return
        self.hidden = self.hidden or _says(pieces)
        if operator == b"TJ":
            operands[0] = type(pieces)()
        else:
            operands[-1] = type(pieces)()

    def _is_hidden(self, where: Matrix) -> bool:
        if any(self._marks):
            return True
        state = self._state
        x, y = where[4], where[5]
        scale = (where[2] ** 2 + where[3] ** 2) ** 0.5
        behind, picture = self._behind(x, y + 0.3 * scale * state.size)
        if state.mode in (3, 7):
            self.scan = self.scan or picture
            return not picture
        left, bottom, right, top = self._page
        if not (left - 2 <= x <= right + 2 and bottom - 2 <= y <= top + 2):
            return True
        if state.alpha == 0 or 0 < scale * state.size < 1:
            return True
        if state.mode in (1, 2, 5, 6) or state.color is None or behind is None:
            return False  # drawn by its outline, or not known
        return sum(abs(a - b) for a, b in zip(state.color, behind, strict=True)) < _ALIKE

    def _behind(self, x: float, y: float) -> tuple[Color, bool]:
        """The color behind a point, and whether it is that of a picture."""
        known = len(self._regions) < _REGIONS
        for (left, bottom, right, top), color, picture in reversed(self._regions):
            if left <= x <= right and bottom <= y <= top:
                return (color if known else None), picture
        return (_WHITE if known else None), False

    def _follow(self, operator: bytes, operands: Any, cm: Any) -> None:
        change: Callable[..., _State] = replace
        match operator:
            case b"q":
                self._saved.append(self._state)
            case b"Q":
                self._state = self._saved.pop() if self._saved else self._state
            case b"Tr":
                self._state = change(self._state, mode=int(operands[0]))
            case b"Tf":
                self._state = change(self._state, size=float(operands[1]))
            case b"g" | b"rg" | b"k":
                self._state = change(self._state, color=_color([float(v) for v in operands]), space="Device")
            case b"cs":
                self._state = change(self._state, space=self._space(str(operands[0])), color=(0.0, 0.0, 0.0))
            case b"sc" | b"scn":
                known = self._state.space and all(isinstance(v, (int, float)) for v in operands)
                self._state = change(self._state, color=_color([float(v) for v in operands]) if known else None)
            case b"gs":
                alpha = _get(self._resource("/ExtGState", str(operands[0])), "/ca")
                self._state = change(self._state, alpha=float(alpha) if isinstance(alpha, (int, float)) else self._state.alpha)
            case b"Do":
                self._draw(str(operands[0]), cm)
            case b"BMC":
                self._marks.append(False)
            case b"BDC":
                self._marks.append(str(operands[0]) == "/OC" and self._is_off(operands[1]))
            case b"EMC":
                self._marks = self._marks[:-1]
            case b"INLINE IMAGE":
                self._picture(self._device(cm))
            case b"sh":
                self._paint(self._state.clip or self._page, None)
            case _:
                self._follow_path(operator, operands, cm)

    def _follow_path(self, operator: bytes, operands: Any, cm: Any) -> None:
        if operator == b"re":
            x, y, width, height = (float(v) for v in operands[:4])
            self._path += transform([(x, y), (x + width, y), (x, y + height), (x + width, y + height)], self._device(cm))
        elif operator in (b"m", b"l", b"c", b"v", b"y"):
            self._rectangle = self._rectangle and operator in (b"m", b"l")
            numbers = [float(v) for v in operands]
            points = transform(list(zip(numbers[::2], numbers[1::2], strict=True)), self._device(cm))
            self._path += points
        elif operator in (b"W", b"W*"):
            self._next_clip = True
        elif operator in _FILLS or operator in (b"n", b"S", b"s"):
            box, plain = bounds(self._path), self._rectangle and is_rectangle(self._path)
            if operator in _FILLS and box is not None:
                known = plain and not self._state.clipped and self._state.alpha == 1
                self._paint(box, self._state.color if known else None)
            if self._next_clip and box is not None:
                clip = intersect(box, self._state.clip)
                self._state = replace(self._state, clip=clip, clipped=self._state.clipped or not plain)
            self._path, self._rectangle, self._next_clip = [], True, False

    def _draw(self, name: str, cm: Any) -> None:
        drawn = self._resource("/XObject", name)
        matrix = self._device(cm)
        if str(_get(drawn, "/Subtype")) == "/Form":
            own = _get(drawn, "/Matrix")
            self._pending = _Form(multiply(to_matrix(own), matrix) if own else matrix, _get(drawn, "/Resources"), self._state)
            return
        self._forms.append(replace(self._forms[-1], state=self._state))  # `after` takes it away again
        self._picture(matrix)

    def _picture(self, matrix: Matrix) -> None:
        box = bounds(transform([(0, 0), (1, 0), (0, 1), (1, 1)], matrix))
        if box is not None:
            self._paint(box, None, picture=True)

    def _paint(self, box: Box, color: Color, picture: bool = False) -> None:
        if self._state.clip is not None:
            box = intersect(box, self._state.clip)
        if box[2] - box[0] > _THIN and box[3] - box[1] > _THIN and self._state.alpha > 0 and len(self._regions) < _REGIONS:
            self._regions.append((box, color, picture))

    def _resource(self, kind: str, name: str) -> Any:
        """A resource of the form that is drawn, else of the page."""
        return next((r for f in reversed(self._forms) if (r := _get(_get(f.resources, kind), name)) is not None), None)

    def _is_off(self, name: Any) -> bool:
        """Whether a layer, or a group of layers, is switched off."""
        group = self._resource("/Properties", str(name)) if isinstance(name, str) else name
        members = _get(group, "/OCGs")
        layers = [group] if members is None else members if isinstance(members, list) else [members]
        return bool(layers) and all(_layer_id(layer) in self._layers_off for layer in layers)

    def _space(self, name: str) -> str:
        """A color space whose numbers are gray, RGB or CMYK; "" for any other."""
        if name.startswith("/Device"):
            return name
        found = self._resource("/ColorSpace", name)
        kind = str(_get(found, 0)) if isinstance(found, list) else str(found)
        return kind if kind in ("/ICCBased", "/CalRGB", "/CalGray", "/DeviceRGB", "/DeviceGray", "/DeviceCMYK") else ""


def layers_off(reader: Any) -> frozenset[int]:
    """The numbers of the layers that a viewer does not show at first, from pypdf's reader."""
    try:
        properties = reader.trailer["/Root"].get("/OCProperties")
        shown = properties.get_object()["/D"].get_object()
        off = [_layer_id(r) for r in shown.get("/OFF") or []]
        if shown.get("/BaseState") == "/OFF":
            on = {_layer_id(r) for r in shown.get("/ON") or []}
            off += [n for r in properties.get_object()["/OCGs"] if (n := _layer_id(r)) not in on]
        return frozenset(off) - {-1}
    except (AttributeError, KeyError, TypeError):
        return frozenset()


def _says(pieces: Any) -> bool:
    texts = pieces if isinstance(pieces, list) else [pieces]
    text = "".join(t if isinstance(t, str) else t.decode("latin-1") for t in texts if isinstance(t, (str, bytes)))
    return bool(re.search(r"\S", text))


def _layer_id(layer: Any) -> int:
    """The number of a layer's object; -1 for one that is written in place."""
    reference = layer if hasattr(layer, "idnum") else getattr(layer, "indirect_reference", None)
    return int(getattr(reference, "idnum", -1))


def _get(value: Any, key: Any) -> Any:
    """An entry of a PDF object, or None."""
    value = value.get_object() if hasattr(value, "get_object") else value
    try:
        found = value[key]
    except (KeyError, TypeError, IndexError):
        return None
    return found.get_object() if hasattr(found, "get_object") else found


def _color(values: list[float]) -> Color:
    if len(values) == 1:
        return (values[0],) * 3
    if len(values) == 3:
        return values[0], values[1], values[2]
    if len(values) == 4:
        c, m, y, k = values
        return (1 - c) * (1 - k), (1 - m) * (1 - k), (1 - y) * (1 - k)
    return None
