"""Figures as a page shows them: SVG in the page's own ink, panels that stack on a phone, a caption with the finding.

Lines and words are drawn by the browser, and images keep their own pixels inside of the drawing, so a figure is
sharp at any size; one look reads on a light page, on a dark one and in print. Part of the face of `plots`.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from .errors import check_kind, true_or_false

INK = "#7d8590"  # 4:1 on white, 4.5:1 on the dark page; a page's own ink takes its place in SVG
COLOURS = ("#1f83d6", "#d9603b", "#2a9d78", "#a36bd1", "#b58a00", "#d1568f")
PAD = 0.04  # inches around what is drawn
POINTS = 72  # the unit of matplotlib's SVG, an inch's share
LARGEST = 1.3  # times its own size, where the column is wider than the figure
PIXELS = 96 / POINTS  # CSS pixels of a point
RASTER = 192  # dots an inch for artists that say rasterized=True


class Drawn:
    """A figure's SVG, with places in its own units: x to the right and y down, from the picture's corner.

    alt: what is to be seen. frame: the part that is shown, in inches, by default all that is drawn and a little more.
    """

    def __init__(self, figure: Figure, alt: str, frame: Bbox | None = None) -> None:
        self.figure = figure
        before = figure.dpi
        try:
            figure.dpi = POINTS  # so that matplotlib's pixels are the picture's points
            figure.draw_without_rendering()
            self.frame = padded(figure.get_tightbbox()) if frame is None else frame
            name = hashlib.sha256(f"{alt}{self.frame}".encode()).hexdigest()[:8]
            file = io.StringIO()
            with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
                figure.savefig(
                    file,
                    format="svg",
                    dpi=RASTER,
                    bbox_inches=self.frame,
                    metadata={"Date": None, "Creator": None},
                )
            self.svg = cleaned(file.getvalue(), alt)
        except BaseException:
            figure.dpi = before
            raise

    def points(self, pixels: Any) -> Any:
        """Places (n, 2) in matplotlib's pixels, as the picture's."""
        corner = np.array([self.frame.x0, self.frame.y1]) * POINTS
        return np.round((np.asarray(pixels, float) - corner) * (1, -1), 2)


def padded(box: Bbox) -> Bbox:
    return Bbox.from_extents(box.x0 - PAD, box.y0 - PAD, box.x1 + PAD, box.y1 + PAD)


def cleaned(text: str, alt: str) -> str:
    """matplotlib's SVG to stand in a page: no header, no names that nothing points to, the page's ink, an alt text."""
    text = text[text.index("<svg") :]
    # its <style> would hold for the whole page: `opened` has what it says
    text = re.sub(
        r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*|<style.*?</style>\s*", "", text, flags=re.DOTALL
    )
    used = set(re.findall(r"#([\w.-]+)[\")]", text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    text = re.sub(r"<g>\s*<g>(\s*<text.*?</text>\s*)</g>\s*</g>", r"\1", text, flags=re.DOTALL)
    text = text.replace(INK, "currentColor")
    text = re.sub(r' (?:d|x|y|width|height)="[^"]*"', shorter, text)
    text = re.sub(r"<text [^>]*>", coloured_words, text)
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', lambda found: opened(found[1], alt), text, count=1)
    return re.sub(r"\n\s*", "\n", text).strip()


def shorter(attribute: re.Match[str]) -> str:
    """Places to a hundredth of a point and on one line: half of a page's figures are their digits."""
    text = re.sub(
        r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), attribute[0]
    )
    return re.sub(r"\s*\n", " ", text)


def coloured_words(tag: re.Match[str]) -> str:
    """Words in a line's colour, which a page may darken or lighten until they can be read on its ground."""
    text = tag[0]
    for number, colour in enumerate(COLOURS, 1):
        text = text.replace(f"fill: {colour}", f"fill: var(--tgan-words-{number}, {colour})")
    return text


def opened(view: str, alt: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{view}" '
        f'role="img" aria-label="{escape(alt)}" style="stroke-linejoin: round; stroke-linecap: butt">'
    )


@dataclass(frozen=True)
class Shown:
    """What `show` makes: a figure with its caption, drawn where it is the last thing in a cell."""

    alt: str
    caption: str
    drawings: tuple[str, ...]  # SVG, one a panel

    def __repr__(self) -> str:
        return f"Figure: {self.caption or self.alt}"

    def _repr_html_(self) -> str:
        boxes = "".join(boxed(svg, len(self.drawings)) for svg in self.drawings)
        caption = (
            f'<figcaption style="margin-top:0.5rem">{escape(self.caption)}</figcaption>'
            if self.caption
            else ""
        )
        return (
            '<figure class="tgan-figure" style="margin:1rem 0">'
            f'<div style="display:flex;flex-wrap:wrap;gap:0.75rem 1rem">{boxes}</div>{caption}</figure>'
        )


def boxed(svg: str, panels: int) -> str:
    """A drawing that grows to 1.3 times its size; of several, those that have no room beside the others go below."""
    width = float(re.search(r'viewBox="\S+ \S+ (\S+) ', svg)[1]) * PIXELS  # type: ignore[index]
    least = f"min(100%,{0.8 * width:.0f}px)" if panels > 1 else "100%"
    return f'<div style="flex:{width:.0f} 1 {least};max-width:{LARGEST * width:.0f}px">{svg}</div>'


def show(figure: Figure | Axes | None = None, *, alt: str, caption: str = "", panels: bool = True) -> Shown:
    """A figure for the page, last in its cell: SVG, with words for those who cannot see it, and the finding below.

    figure: a matplotlib figure or one of its axes; by default the current one. It is closed. alt: what is to be
    seen. caption: one sentence that says what the figure shows. panels: each axes (with its twin and its colour
    bar) is a drawing of its own, beside the others where there is room and below them on a phone; False keeps
    them together, as legends for the whole figure need. Titles of the whole figure are not kept with panels.
    TypeError for what is no figure, ValueError without alt.
    """
    figure = plt.gcf() if figure is None else figure
    found = figure.figure if isinstance(figure, Axes) else figure
    check_kind("figure", found, Figure, "a matplotlib figure, or axes of one,")
    assert isinstance(found, Figure)
    check_kind("alt", alt, str, "a sentence")
    check_kind("caption", caption, str, "a sentence")
    panels = true_or_false("panels", panels)
    if not alt.strip():
        raise ValueError("alt is ''; a figure needs a sentence that says what is to be seen")
    groups = together(found) if panels else []
    drawings = apart(found, groups, alt) if len(groups) > 1 else [Drawn(found, alt).svg]
    plt.close(found)
    return Shown(alt, caption, tuple(drawings))


def together(figure: Figure) -> list[list[Axes]]:
    """The axes of each panel: those that stand in one place, and colour bars with what they explain."""
    groups: list[list[Axes]] = []
    bars = {id(m.colorbar.ax): ax for ax in figure.axes for m in mappables(ax) if m.colorbar}
    for ax in figure.axes:
        if not ax.get_visible() or id(ax) in bars:
            continue
        place = ax.get_position().bounds
        for group in groups:
            if np.allclose(group[0].get_position().bounds, place):
                group.append(ax)
                break
        else:
            groups.append([ax])
    for ax in figure.axes:
        owner = bars.get(id(ax))
        if owner is not None:
            next(group for group in groups if owner in group).append(ax)
    return groups


def mappables(ax: Axes) -> Iterable[Any]:
    return [*ax.images, *ax.collections]


def apart(figure: Figure, groups: list[list[Axes]], alt: str) -> list[str]:
    """One SVG for each panel; those of one row are equally high, so that their axes stand on one line."""
    figure.dpi, before = POINTS, figure.dpi
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [Bbox.union([b for ax in group if (b := ax.get_tightbbox(renderer))]) for group in groups]
    figure.dpi = before
    layout = figure.get_layout_engine()
    figure.set_layout_engine("none")  # or it would move what is left when the others are hidden
    rows = [round(group[0].get_position().y0, 2) for group in groups]
    drawings = []
    for number, (group, box, row) in enumerate(zip(groups, boxes, rows, strict=True)):
        mates = [other for other, its_row in zip(boxes, rows, strict=True) if its_row == row]
        low, high = min(b.y0 for b in mates), max(b.y1 for b in mates)
        frame = padded(Bbox.from_extents(box.x0 / POINTS, low / POINTS, box.x1 / POINTS, high / POINTS))
        for ax in figure.axes:
            ax.set_visible(ax in group)
        words = alt if number == 0 else f"Panel {number + 1} of {len(groups)} of the figure described before."
        drawings.append(Drawn(figure, words, frame).svg)
    figure.set_layout_engine(layout)
    return drawings


def label_ends(ax: Axes, size: float | None = None) -> None:
    """Names at the right ends of lines, each in its line's colour and none upon another, in place of a legend.

    Lines without a label of their own are left out, and so are axes without lines. size: of the words, in points.
    """
    check_kind("ax", ax, Axes, "a matplotlib axes")
    lines = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    ends = []
    for line in lines:
        path = np.asarray(line.get_xydata(), float)
        path = path[np.isfinite(path).all(1)]
        if len(path):
            ends.append((line, path[-1]))
    if not ends:
        return
    size = float(plt.rcParams["font.size"]) if size is None else size
    figure = ax.figure
    figure.draw_without_rendering()  # type: ignore[union-attr]
    scale = POINTS / figure.dpi
    wanted = [float(ax.transData.transform(end)[1]) * scale for _, end in ends]
    for (line, end), at, place in zip(ends, wanted, spread(wanted, 1.25 * size), strict=True):
        ax.annotate(
            str(line.get_label()),
            end,
            xytext=(6, place - at),
            textcoords="offset points",
            color=line.get_color(),
            fontsize=size,
            va="center",
            annotation_clip=False,
        )


def spread(wanted: list[float], gap: float) -> list[float]:
    """Places in the order of those wanted, near them, each at least `gap` from the next."""
    order = np.argsort(wanted, kind="stable")
    blocks: list[list[float]] = []  # [sum of (wanted - own offset), number]
    for index in order:
        blocks.append([wanted[index], 1])
        while (
            len(blocks) > 1
            and blocks[-2][0] / blocks[-2][1] + gap * blocks[-2][1] > blocks[-1][0] / blocks[-1][1]
        ):
            total, number = blocks.pop()
            blocks[-1][0] += total - gap * blocks[-1][1] * number
            blocks[-1][1] += number
    placed = [total / number + gap * i for total, number in blocks for i in range(int(number))]
    found = [0.0] * len(wanted)
    for index, place in zip(order, placed, strict=True):
        found[index] = place
    return found
