"""A matplotlib figure as SVG for the page, and where in it a value, a line or a label stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.container import Container
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from ...figures import Drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEYOND = 9.0  # points


class Placed(Drawn):
    """A figure's SVG that knows where its values and its names are."""

    def box(self, extent: Bbox) -> list[float]:
        """[left, top, right, bottom] of an extent in matplotlib's pixels."""
        (left, bottom), (right, top) = self.points(extent.get_points())
        return [left, top, right, bottom]

    def along(self, ax: Axes, axis: str, values: Iterable[float]) -> list[float | None]:
        """Where values lie on an axis of any scale; None for one without a place, as 0 on a logarithmic one."""
        index = "xy".index(axis)
        inside = [ax.get_xlim()[0], ax.get_ylim()[0]]
        places = list[float | None]()
        for value in values:
            data = list(inside)
            data[index] = value
            with np.errstate(all="ignore"):
                place = float(self.points([ax.transData.transform(data)])[0, index])
            places.append(place if np.isfinite(place) else None)
        return places

    def spot(self, ax: Axes, what: Any) -> dict[str, Any]:
        """An artist's place: the path of a line, the box of anything else."""
        if isinstance(what, Line2D):
            path = self.points(what.get_transform().transform(what.get_xydata()))
            return {"line": path[np.isfinite(path).all(1)].tolist()}
        parts = [
            part for part in (what if isinstance(what, Container) else [what]) if isinstance(part, Artist)
        ]
        return {"box": self.box(Bbox.union([part.get_window_extent() for part in parts]))}

    def named(self, ax: Axes, name: str) -> dict[str, Any] | None:
        """What an axes calls `name`: a labelled line or bars, or else the band of a tick with this label."""
        artists: list[Any] = [*ax.containers, *ax.lines, *ax.collections, *ax.patches]
        for artist in artists:
            if artist.get_label() == name:
                return self.spot(ax, artist)
        for axis, index in ((ax.yaxis, 1), (ax.xaxis, 0)):
            ticks = [str(label.get_text()) for label in axis.get_ticklabels()]
            if name not in ticks:
                continue
            word = "xy"[index]
            places = [p for p in self.along(ax, word, axis.get_ticklocs()) if p is not None]
            at = places[ticks.index(name)]
            near = min((abs(at - p) for p in places if p != at), default=30)
            box = self.box(ax.bbox)
            box[index], box[index + 2] = at - 0.46 * near, at + 0.46 * near
            return {"box": [round(side, 2) for side in box], "band": word}
        return None


def line_marks(drawn: Placed, ax: Axes, axis: str, stops: Sequence[float], answer: float) -> dict[str, Any]:
    """Where each of a slider's values is on an axis; one beyond the axes stands just beyond the edge."""
    box, index = drawn.box(ax.bbox), "xy".index(axis)
    first, last = box[index] - BEYOND, box[index + 2] + BEYOND
    inverted = ax.xaxis_inverted() if axis == "x" else ax.yaxis_inverted()
    low = first if (axis == "x") != inverted else last
    places = [low if p is None else min(max(p, first), last) for p in drawn.along(ax, axis, stops)]
    [truth] = drawn.along(ax, axis, [answer])
    return {"axis": axis, "at": places, "answer": truth, "box": box, "titled": titled(ax)}


def spot_marks(
    drawn: Placed, ax: Axes, axis: str, options: Sequence[str], places: dict[str, Any]
) -> dict[str, Any]:
    """Where each option is: as `places` says (an artist, or a number on the axis), or by its name in the figure."""
    spots = dict[str, Any]()
    for option in options:
        where = places.get(option)
        if where is None:
            found = drawn.named(ax, option)
        elif isinstance(where, (Artist, Container)):
            found = drawn.spot(ax, where)
        else:
            [place] = drawn.along(ax, axis, [float(where)])
            found = None if place is None else {"rule": place, "axis": axis}
        if found is not None:
            spots[option] = found
    return {"spots": spots, "box": drawn.box(ax.bbox), "titled": titled(ax)}


def titled(ax: Axes) -> bool:
    """Whether words stand above an axes."""
    return any(ax.get_title(where) for where in ("left", "center", "right"))
