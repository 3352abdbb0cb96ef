"""The pictures behind `glyphs`: every class as control points and strokes, or as a function of the plane.

A template is a list of control points (x to the right, y down, about -1 to 1) and a list of strokes, each a
list of point numbers. A stroke is smooth; a corner is where one stroke ends and the next begins. A stroke
whose first and last numbers are the same is closed smoothly. A class may have several templates: ways to
write it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Template = tuple[list[tuple[float, float]], list[list[int]]]
Field = Callable[[Tensor, Tensor], Tensor]


def _loop(*points: tuple[float, float]) -> Template:
    """One smooth closed curve through the points."""
    return list(points), [[*range(len(points)), 0]]


def _polygon(*points: tuple[float, float]) -> Template:
    """A closed outline with a corner at every point."""
    n = len(points)
    return list(points), [[i, (i + 1) % n] for i in range(n)]


def _around(n: int, *radii: float) -> list[tuple[float, float]]:
    """n points around the origin, starting at the top, at the given radii in turn."""
    angles = [2 * math.pi * i / n for i in range(n)]
    return [
        (radii[i % len(radii)] * math.sin(a), -radii[i % len(radii)] * math.cos(a))
        for i, a in enumerate(angles)
    ]


# fmt: off
DIGITS: dict[str, list[Template]] = {
    "0": [_loop((0, -.95), (.42, -.68), (.55, 0), (.42, .68), (0, .95), (-.42, .68), (-.55, 0),
                (-.42, -.68))],
    "1": [([(.02, -.95), (0, 0), (.02, .95)], [[0, 1, 2]]),
          ([(-.34, -.55), (.06, -.95), (.06, .95)], [[0, 1], [1, 2]])],
    "2": [([(-.5, -.5), (-.25, -.88), (.22, -.88), (.46, -.5), (.22, 0), (-.18, .45), (-.55, .9), (.58, .86)],
           [[0, 1, 2, 3, 4, 5, 6], [6, 7]])],
    "3": [([(-.46, -.72), (-.02, -.95), (.42, -.66), (.3, -.22), (-.12, -.06), (.36, .1), (.52, .48),
            (.1, .93), (-.5, .72)], [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]])],
    "4": [([(.3, -.95), (-.55, .32), (.62, .32), (.3, .95)], [[0, 1], [1, 2], [0, 3]]),
          ([(-.4, -.9), (-.45, .08), (.42, .05), (.42, -.85), (.38, .95)], [[0, 1], [1, 2], [3, 4]])],
    "5": [([(.5, -.9), (-.36, -.9), (-.44, -.1), (.08, -.24), (.5, .12), (.44, .66), (0, .93), (-.5, .74)],
           [[0, 1], [1, 2], [2, 3, 4, 5, 6, 7]])],
    "6": [([(.36, -.92), (-.14, -.6), (-.46, 0), (-.46, .52), (-.04, .94), (.42, .7), (.44, .26), (.06, 0),
            (-.42, .3)], [[0, 1, 2, 3, 4, 5, 6, 7, 8]])],
    "7": [([(-.52, -.86), (.54, -.88), (.12, 0), (-.12, .95)], [[0, 1], [1, 2, 3]]),
          ([(-.52, -.86), (.54, -.88), (.1, 0), (-.14, .95), (-.26, .02), (.42, -.02)],
           [[0, 1], [1, 2, 3], [4, 5]])],
    "8": [_loop((.36, -.72), (0, -.95), (-.38, -.7), (-.24, -.28), (.24, .1), (.46, .52), (0, .95),
                (-.46, .52), (-.24, .1), (.24, -.28))],
    "9": [([(.44, -.6), (.04, -.95), (-.42, -.66), (-.38, -.2), (.02, -.02), (.42, -.3), (.42, .2),
            (.24, .95)], [[0, 1, 2, 3, 4, 5, 0], [0, 6, 7]])],
}
LETTERS: dict[str, list[Template]] = {
    "A": [([(-.6, .95), (0, -.95), (.6, .95), (-.36, .25), (.36, .25)], [[0, 1], [1, 2], [3, 4]])],
    "B": [([(-.45, -.92), (-.45, .92), (.2, -.9), (.42, -.48), (.15, -.06), (-.45, -.02), (.4, .12),
            (.54, .48), (.2, .9)], [[0, 1], [0, 2, 3, 4, 5], [5, 6, 7, 8, 1]])],
    "E": [([(.5, -.9), (-.42, -.9), (-.42, .9), (.52, .9), (-.42, 0), (.36, 0)],
           [[0, 1], [1, 2], [2, 3], [4, 5]])],
    "H": [([(-.5, -.92), (-.5, .92), (.5, -.92), (.5, .92), (-.5, 0), (.5, 0)], [[0, 1], [2, 3], [4, 5]])],
    "K": [([(-.45, -.92), (-.45, .92), (.5, -.9), (-.4, .05), (.55, .92), (-.12, -.24)],
           [[0, 1], [2, 3], [5, 4]])],
    "M": [([(-.6, .92), (-.46, -.9), (0, .4), (.46, -.9), (.6, .92)], [[0, 1], [1, 2], [2, 3], [3, 4]])],
    "R": [([(-.45, .92), (-.45, -.92), (.2, -.88), (.46, -.45), (.15, -.04), (-.45, 0), (-.05, 0),
            (.52, .92)], [[0, 1], [1, 2, 3, 4, 5], [6, 7]])],
    "S": [([(.46, -.66), (.02, -.95), (-.44, -.62), (-.24, -.18), (.24, .12), (.46, .52), (0, .95),
            (-.5, .64)], [[0, 1, 2, 3, 4, 5, 6, 7]])],
    "T": [([(-.6, -.88), (.6, -.88), (0, -.88), (0, .95)], [[0, 1], [2, 3]])],
    "X": [([(-.52, -.92), (.52, .92), (.52, -.92), (-.52, .92)], [[0, 1], [2, 3]])],
}
SHAPES: dict[str, list[Template]] = {
    "circle": [_loop(*_around(10, .85))],
    "square": [_polygon((-.75, -.75), (.75, -.75), (.75, .75), (-.75, .75))],
    "triangle": [_polygon((0, -.9), (.9, .7), (-.9, .7))],
    "star": [_polygon(*_around(10, 1.0, .42))],
    "cross": [_polygon((-.28, -.9), (.28, -.9), (.28, -.28), (.9, -.28), (.9, .28), (.28, .28), (.28, .9),
                       (-.28, .9), (-.28, .28), (-.9, .28), (-.9, -.28), (-.28, -.28))],
    "heart": [([(0, -.4), (.3, -.76), (.7, -.72), (.88, -.3), (.6, .25), (0, .9), (-.6, .25), (-.88, -.3),
                (-.7, -.72), (-.3, -.76)], [[0, 1, 2, 3, 4, 5], [5, 6, 7, 8, 9, 0]])],
    "moon": [([(.4, -.85), (-.3, -.75), (-.75, 0), (-.3, .75), (.4, .85), (.06, .45), (-.06, 0), (.06, -.45)],
              [[0, 1, 2, 3, 4], [4, 5, 6, 7, 0]])],
    "arrow": [_polygon((0, -.95), (.75, -.1), (.28, -.1), (.28, .9), (-.28, .9), (-.28, -.1), (-.75, -.1))],
    "bolt": [_polygon((.35, -.95), (-.6, .15), (-.05, .15), (-.35, .95), (.6, -.25), (.05, -.25))],
    "drop": [_loop((0, -.95), (.3, -.3), (.62, .3), (.4, .8), (0, .95), (-.4, .8), (-.62, .3), (-.3, -.3))],
}
# fmt: on

# Textures: functions of the plane with values about -1 to 1, most with a period of one.
TAU = 2 * math.pi
TEXTURES: dict[str, Field] = {
    "stripes": lambda u, v: torch.sin(TAU * u),
    "rings": lambda u, v: torch.cos(TAU * torch.hypot(u, v)),
    "checks": lambda u, v: 4 * torch.sin(TAU / 2 * u) * torch.sin(TAU / 2 * v),
    "dots": lambda u, v: 0.8 * (torch.cos(TAU * u) + torch.cos(TAU * v)) - 0.5,
    "waves": lambda u, v: torch.sin(TAU * (v + 0.25 * torch.sin(TAU / 2 * u))),
    "zigzag": lambda u, v: torch.sin(TAU * (v + (2 * torch.remainder(u / 2, 1) - 1).abs())),
    "spiral": lambda u, v: torch.sin(TAU * torch.hypot(u, v) + torch.atan2(v, u)),
    "rays": lambda u, v: torch.sin(8 * torch.atan2(v, u)),
}
