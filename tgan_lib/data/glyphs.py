"""Drawn images: small worlds whose every cause is known, made on the spot, with no files and no network.

A glyph is a handful of control points. Catmull-Rom splines (Catmull and Rom, 1974) run through them, so a
curve is a linear map of its points, and the points of a whole batch can be shaken, slanted and moved before
anything is drawn. A pixel is inked by its distance to the nearest curve. With half-width r and pixel size p,

    ink(pixel) = clamp(1/2 - (distance - r) / p, 0, 1),

which is an edge one pixel soft. Filled shapes use the same line with the distance made negative inside.
Textures have no curve: they ink where a function of the plane is above a threshold, softened by its slope.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import check_kind, one_of, seed_number, unknown_name, whole_number
from ..inputs import image_count
from .glyph_templates import DIGITS, LETTERS, SHAPES, TEXTURES, Field, Template


@dataclass(frozen=True)
class Domain:
    """One drawn world: its classes, each with one or more ways to write it, and the range of every factor."""

    classes: dict[str, list[Template]] | dict[str, Field]
    ranges: dict[str, tuple[float, float]]
    filled: bool = False
    jitter: float = 0.0  # how far a control point may stray
    light_paper: bool = False  # in colour only; grey images are always light on black

    @property
    def names(self) -> list[str]:
        return list(self.classes)


STROKES = {
    "slant": (-0.15, 0.3),
    "width": (0.07, 0.15),
    "scale": (0.62, 0.76),
    "stretch": (0.8, 1.1),
    "angle": (-0.12, 0.12),
    "x": (-0.1, 0.1),
    "y": (-0.1, 0.1),
}
FILLED = STROKES | {
    "slant": (-0.15, 0.15),
    "width": (0.02, 0.1),
    "scale": (0.5, 0.75),
    "angle": (-0.4, 0.4),
    "x": (-0.15, 0.15),
    "y": (-0.15, 0.15),
}
PLANE = STROKES | {
    "slant": (-0.2, 0.2),
    "width": (-0.35, 0.35),
    "scale": (0.45, 0.8),
    "angle": (-0.5, 0.5),
    "x": (-0.4, 0.4),
    "y": (-0.4, 0.4),
}
DOMAINS = {
    "digits": Domain(DIGITS, STROKES, jitter=0.1),
    "letters": Domain(LETTERS, STROKES, jitter=0.07, light_paper=True),
    "shapes": Domain(SHAPES, FILLED, filled=True, jitter=0.02, light_paper=True),
    "textures": Domain(TEXTURES, PLANE),
}


def draw(
    domain: str,
    n: int,
    *,
    size: int = 32,
    channels: int = 1,
    seed: int = 0,
    classes: Sequence[str | int] | None = None,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """`n` drawn images of a domain ("digits", "letters", "shapes", "textures"), always the same for a seed.

    Returns uint8 images (n, channels, size, size), int64 labels (n,) and the factors that made each image.
    Classes take turns, so every class has its share; `classes` picks some by name or number (labels keep the
    domain's numbering). Grey images (`channels=1`) have white ink on black; colour ones (3) have inks and
    papers of many colours. `size` is 16 to 256 pixels. The first k of n images do not depend on n.

    Factors, each (n,): `slant` (shear, 0 is upright), `width` (half the stroke's width; for filled shapes how
    round the corners are; for textures how much is inked), `scale`, `stretch` (width over height), `angle`
    (radians, clockwise), `x` and `y` (the centre), lengths in half image sides; `variant`, which way of
    writing the class (0, 1, ...); and in colour `ink` and `paper`, (n, 3), in [0, 1].
    """
    one_of("glyph domain", domain, DOMAINS)
    n, seed = image_count("n", n), seed_number(seed)
    if not 16 <= whole_number("size", size) <= 256:
        raise ValueError(f"size is {size}; glyphs are drawn at 16 to 256 pixels")
    if whole_number("channels", channels) not in (1, 3):
        raise ValueError(f"channels is {channels}; glyphs are drawn in 1 (grey) or 3 (colour)")
    if classes is not None:
        check_kind("classes", classes, (list, tuple, range), "a list of names or numbers, or None,")
    world = DOMAINS[domain]
    numbers = [_class_number(world, domain, c) for c in (world.names if classes is None else classes)]
    if not numbers:
        raise ValueError("classes is empty; give at least one class, or None for all of them")
    labels = torch.tensor(numbers)[torch.arange(n) % len(numbers)]

    # One row of numbers per image, so that the first k images are the same whatever n is.
    rng = torch.Generator().manual_seed(seed)
    k = len(world.ranges)
    u = torch.rand(n, k + 5 + 2 * _MAX_POINTS, generator=rng)
    hues, shake = u[:, k + 1 : k + 5], (u[:, k + 5 :].view(n, _MAX_POINTS, 2) * 2 - 1) * world.jitter
    factors = {
        name: low + (high - low) * u[:, i] for i, (name, (low, high)) in enumerate(world.ranges.items())
    }
    factors["variant"] = torch.zeros(n, dtype=torch.long)

    ink = torch.empty(n, size, size)
    with _one_thread():
        for label in sorted(set(numbers)):
            rows = (labels == label).nonzero()[:, 0]
            made = world.classes[world.names[label]]
            if callable(made):
                ink[rows] = _texture(made, _at(factors, rows), size)
                continue
            variant = (u[rows, k] * len(made)).long()
            factors["variant"][rows] = variant
            for number, template in enumerate(made):
                some = rows[variant == number]
                mine = _at(factors, some)
                starts, ends = _segments(template, shake[some], mine)
                ink[some] = _render(starts, ends, mine["width"], size, world.filled)
    if channels == 1:
        return _bytes(ink[:, None]), labels, factors
    factors["ink"], factors["paper"] = _colours(hues, world.light_paper)
    light, dark = factors["ink"][:, :, None, None], factors["paper"][:, :, None, None]
    return _bytes(torch.lerp(dark, light, ink[:, None])), labels, factors


def _at(factors: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: f[rows] for name, f in factors.items()}


def _class_number(world: Domain, domain: str, name: str | int) -> int:
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(world.names):
        return name
    if name in world.names:
        return world.names.index(str(name))
    raise unknown_name(f"class of the glyph domain {domain!r}", name, world.names)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Many small tensors: sharing each between threads costs more than it saves, above all when busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _bytes(x: Tensor) -> Tensor:
    return (x * 255).round_().to(torch.uint8)


def _spline_rows(stroke: list[int], points: int, steps: int) -> Tensor:
    """Weights (steps per span + 1, points) that turn control points into points along the stroke."""
    eye = torch.eye(points)[stroke]
    if len(stroke) == 2:
        return eye
    closed = stroke[0] == stroke[-1]
    before, after = (eye[-2:-1], eye[1:2]) if closed else (eye[:1], eye[-1:])
    p = torch.cat([before, eye, after])
    t = (torch.arange(steps) / steps)[None, :, None]
    p0, p1, p2, p3 = (p[i : len(p) - 3 + i, None] for i in range(4))
    rows = p1 + 0.5 * t * ((p2 - p0) + t * ((2 * p0 - 5 * p1 + 4 * p2 - p3) + t * (3 * (p1 - p2) + p3 - p0)))
    return torch.cat([rows.reshape(-1, points), eye[-1:]])


def _segments(template: Template, shake: Tensor, factors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The straight pieces (n, pieces, 2) of every image's curves: where they start and where they end."""
    points, strokes = template
    k = len(points)
    stretch, slant, angle, scale = (factors[name][:, None] for name in ("stretch", "slant", "angle", "scale"))
    p = torch.tensor(points) + shake[:, :k]
    x, y = p[..., 0] * stretch - p[..., 1] * slant, p[..., 1]
    x, y = x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()
    moved = torch.stack([scale * x + factors["x"][:, None], scale * y + factors["y"][:, None]], dim=-1)
    rows = [_spline_rows(stroke, k, steps=4) for stroke in strokes]
    return torch.cat([r[:-1] for r in rows]) @ moved, torch.cat([r[1:] for r in rows]) @ moved


def _render(starts: Tensor, ends: Tensor, width: Tensor, size: int, filled: bool) -> Tensor:
    """Ink (n, size, size) in [0, 1] from the distance to the nearest piece; inside counts when filled."""
    few = max(1, 2**16 // size**2)  # as many images at a time as stay in the processor's cache
    parts = zip(starts.split(few), ends.split(few), width.split(few), strict=True)
    return torch.cat([_render_few(a, b, w, size, filled) for a, b, w in parts])


def _render_few(starts: Tensor, ends: Tensor, width: Tensor, size: int, filled: bool) -> Tensor:
    grid = (torch.arange(size) + 0.5) * 2 / size - 1
    X, Y = grid.view(1, 1, -1), grid.view(1, -1, 1)
    nearest = torch.full((len(starts), size, size), torch.inf)
    inside = torch.zeros(len(starts), size, size, dtype=torch.bool)
    for a, b in zip(starts.unbind(1), ends.unbind(1), strict=True):
        ax, ay, bx, by = (v.view(-1, 1, 1) for v in (a[:, 0], a[:, 1], b[:, 0], b[:, 1]))
        dx, dy = bx - ax, by - ay
        length2 = (dx * dx + dy * dy).clamp_min(1e-12)
        # t in [0, 1] is the foot of the perpendicular: |p - a - td|^2 = |p - a|^2 - t (2 (p - a).d - t |d|^2)
        foot = (X - ax) * (dx / length2) + (Y - ay) * (dy / length2)
        t = foot.clamp(0, 1)
        distance2 = torch.addcmul((X - ax) ** 2 + (Y - ay) ** 2, t * length2, foot.mul_(2).sub_(t), value=-1)
        torch.minimum(nearest, distance2, out=nearest)
        if filled:  # even-odd rule: a ray to the right crosses this edge
            crossing = ax + (Y - ay) * dx / torch.where(dy == 0, 1.0, dy)
            inside ^= ((ay > Y) != (by > Y)) & (crossing > X)
    distance = nearest.clamp_min_(0).sqrt_()
    if filled:
        distance = torch.where(inside, -distance, distance)
    return (0.5 - (distance - width.view(-1, 1, 1)) * (size / 2)).clamp_(0, 1)


def _texture(made: Field, factors: dict[str, Tensor], size: int) -> Tensor:
    """Ink (n, size, size): where the field is above -width; the edge is as soft as its slope over a pixel."""
    grid = (torch.arange(size) + 0.5) * 2 / size - 1
    f = {k: v.view(-1, 1, 1) for k, v in factors.items()}
    x, y = grid.view(1, 1, -1) - f["x"], grid.view(1, -1, 1) - f["y"]
    cos, sin = f["angle"].cos(), f["angle"].sin()
    v = (cos * y - sin * x) / f["scale"]
    u = ((cos * x + sin * y) / f["scale"] + f["slant"] * v) / f["stretch"]
    value = made(u, v)
    down, right = torch.gradient(value, dim=(1, 2))
    return (0.5 + (value + f["width"]) / torch.hypot(down, right).clamp_min_(1e-3)).clamp_(0, 1)


def _colours(u: Tensor, light_paper: bool) -> tuple[Tensor, Tensor]:
    """Inks and papers (n, 3) from (n, 4) numbers in [0, 1]: a vivid ink on a quiet paper."""
    hue, depth, paper_hue, paper = u.unbind(1)
    one = torch.ones_like(hue)
    if light_paper:
        ink = _hsv(hue, 0.7 + 0.25 * depth, 0.8 - 0.3 * depth)
        return ink, _hsv(paper_hue, 0.1 * one, 0.85 + 0.12 * paper)
    return _hsv(hue, 0.45 + 0.45 * depth, one), _hsv(paper_hue, 0.5 * one, 0.05 + 0.2 * paper)


def _hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """RGB (n, 3) of hue, saturation and value, each in [0, 1]."""
    k = torch.remainder(torch.tensor([5.0, 3.0, 1.0]) + 6 * hue[:, None], 6)
    return value[:, None] * (1 - saturation[:, None] * torch.minimum(k, 4 - k).clamp(0, 1))


_MAX_POINTS = max(len(t[0]) for d in (DIGITS, LETTERS, SHAPES) for variants in d.values() for t in variants)
