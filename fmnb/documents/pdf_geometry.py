"""Matrices and rectangles of a PDF's pages."""

from __future__ import annotations

from typing import Any

Matrix = tuple[float, float, float, float, float, float]
Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, bottom, right, top

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def to_matrix(values: Any) -> Matrix:
    """Six numbers of a PDF as a matrix; ValueError or TypeError for anything else."""
    a, b, c, d, e, f = (float(v) for v in values)
    return a, b, c, d, e, f


def multiply(m: Matrix, n: Matrix) -> Matrix:
    """The matrix that applies `m` and then `n`.

    >>> multiply((2, 0, 0, 2, 1, 0), (1, 0, 0, 1, 10, 20))
    (2, 0, 0, 2, 11, 20)
    """
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4],
        m[4] * n[1] + m[5] * n[3] + n[5],
    )


def transform(points: list[Point], m: Matrix) -> list[Point]:
    """Points after a matrix."""
    return [(x * m[0] + y * m[2] + m[4], x * m[1] + y * m[3] + m[5]) for x, y in points]


def bounds(points: list[Point]) -> Box | None:
    """The smallest upright rectangle around points."""
    if not points:
        return None
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return min(xs), min(ys), max(xs), max(ys)


def is_rectangle(points: list[Point]) -> bool:
    """Whether the points are the corners of one upright rectangle.

    >>> is_rectangle([(0, 0), (9, 0), (9, 5), (0, 5)]), is_rectangle([(0, 0), (9, 1), (4, 5)])
    (True, False)
    """
    return len({round(x, 2) for x, _ in points}) == 2 and len({round(y, 2) for _, y in points}) == 2


def intersect(a: Box, b: Box | None) -> Box:
    """What two rectangles have in common; the first one where there is no second."""
    return a if b is None else (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
