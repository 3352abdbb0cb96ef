"""An instrument for comparisons: a dot for each method in a plane of two measures, and the samples of any two.

    Compare(
        {"way": ways, "target": targets, "images": ["10", "100"]},
        {"distance": distances, "recall": recalls},  # (ways, targets, images) or (ways, targets, images, seeds)
        x="distance", y="recall", better={"distance": "less", "recall": "more"}, samples=pictures, alt="...",
    )

The reader chooses a state by buttons, and the dots glide to where they are then. It works in a notebook, on the
built page and from a file, by mouse, touch and keyboard; without scripts it is tables, and the samples of the
two that were chosen.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import check_kind, one_of, shown, true_or_false
from ..frames import check_axes, places, png, tiles
from ..inline import attribute, tail


class Compare:
    """A plane of methods to look at; shown where it is the last thing in a cell.

    axes: name -> words for its places; the first axis is that of the dots, each other one a row of buttons.
    measures: name -> numbers of the axes' lengths, and one axis more where there are several runs (seeds), of
    which mean, lowest and highest are shown; NaN where nothing was measured. x, y: the measures that are seen
    first, by default the first two. better: measure -> "less" or "more". log: the measures with a logarithmic
    axis. samples: uint8 of the axes' lengths, then (H, W) or (H, W, 2 to 4). start: where the buttons stand at
    first. chosen: the two methods whose samples are seen first. fit: whether the axes fit the dots of one state at
    first, or those of all. alt: what is to be seen in the plane.
    ValueError where numbers and words do not fit.
    """

    def __init__(
        self,
        axes: Mapping[str, Sequence[str]],
        measures: Mapping[str, Any],
        *,
        alt: str,
        x: str | None = None,
        y: str | None = None,
        better: Mapping[str, str] | None = None,
        log: Collection[str] = (),
        samples: NDArray[np.uint8] | None = None,
        start: Mapping[str, int] | None = None,
        chosen: Sequence[str] | None = None,
        fit: bool = False,
    ) -> None:
        shape = check_axes(axes)
        check_kind("alt", alt, str, "a line of words")
        check_kind("measures", measures, Mapping, "a dictionary such as {'distance': numbers}")
        if len(measures) < 2 or shape[0] < 2:
            raise ValueError(f"{len(measures)} measures of {shape[0]} methods; two of each or more are right")
        check_kind("better", better, (Mapping, type(None)), "a dictionary such as {'distance': 'less'}")
        check_kind("log", log, (list, tuple, set, frozenset), "a list of names of measures")
        first, second, *_ = measures
        self.x, self.y = first if x is None else x, second if y is None else y
        for name in (self.x, self.y, *log, *(better or {})):
            one_of("measure", name, measures)
        for word in (better or {}).values():
            one_of("word for what is better", word, ("less", "more"))
        self.measures = {
            name: spread(name, values, shape, name in log) | {"better": (better or {}).get(name, "")}
            for name, values in measures.items()
        }
        self.axes = {name: [str(label) for label in labels] for name, labels in axes.items()}
        methods = next(iter(self.axes.values()))
        check_kind("chosen", chosen, (list, tuple, type(None)), "the names of two methods")
        two = methods[:2] if chosen is None else list(chosen)
        for name in two:
            one_of("method", name, methods)
        if len(set(two)) != 2:
            raise ValueError(f"chosen is {shown(chosen)}; the names of two methods are right")
        self.chosen = [methods.index(name) for name in two]
        self.start = list(places("start", start, axes).values())[1:]
        self.flat: NDArray[np.uint8] | None = None
        if samples is not None:
            check_kind("samples", samples, np.ndarray, "a uint8 array")
            rest = samples.shape[len(shape) :]
            fits = len(rest) == 2 or (len(rest) == 3 and rest[2] in (2, 3, 4))
            if samples.dtype != np.uint8 or samples.shape[: len(shape)] != shape or 0 in rest or not fits:
                raise ValueError(
                    f"samples are {samples.dtype} of shape {samples.shape}, the axes have {shape} places; uint8 with "
                    "those leading axes, then (H, W) or (H, W, 2 to 4), is right"
                )
            self.flat = samples.reshape(-1, *rest)
        self.alt, self.fit = alt, true_or_false("fit", fit)

    def __repr__(self) -> str:
        return f"Compare({len(next(iter(self.axes.values())))} methods by {', '.join(self.measures)})"

    def _repr_html_(self) -> str:
        about: dict[str, Any] = {
            "names": list(self.axes),
            "labels": list(self.axes.values()),
            "measures": self.measures,
            "x": self.x,
            "y": self.y,
            "alt": self.alt,
            "start": self.start,
            "chosen": self.chosen,
            "fit": self.fit,
        }
        sheet = ""
        if self.flat is not None:
            data, columns, rows = tiles(self.flat)
            about |= {"sides": [columns, rows], "size": [self.flat.shape[2], self.flat.shape[1]]}
            sheet = f' data-sheet="{data_url(data)}"'
        return (
            f'<div class="tgan-box tgan-compare" data-about="{attribute(about)}"{sheet}>'
            f"{self.still()}</div>{tail('compare')}"
        )

    def still(self) -> str:
        """The samples of the two that are chosen, and a table for each state."""
        methods, *settings = self.axes.values()
        parts = []
        if self.flat is not None:
            for method in self.chosen:
                words = f"Samples of {methods[method]}, {self.state(self.start)}"
                picture = data_url(png(self.flat[self.place(method, self.start)]))
                parts.append(f'<p>{html.escape(words)}</p><img src="{picture}" alt="{html.escape(words)}">')
        for at in product(*(range(len(labels)) for labels in settings)):
            opened = " open" if list(at) == self.start else ""
            head = "".join(
                f'<th scope="col">{html.escape(name)}</th>'
                for name in (next(iter(self.axes)), *self.measures)
            )
            body = "".join(
                f'<tr><th scope="row">{html.escape(name)}</th>'
                + "".join(f"<td>{self.cell(measure, method, at)}</td>" for measure in self.measures)
                + "</tr>"
                for method, name in enumerate(methods)
            )
            parts.append(
                f"<details{opened}><summary>{html.escape(self.state(at)) or 'All'}: mean (lowest to highest)</summary>"
                f'<div class="tgan-scroll"><table><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table></div></details>"
            )
        return "".join(parts)

    def place(self, method: int, at: Sequence[int]) -> int:
        """Where a method's state is among all, flat."""
        found = 0
        for i, labels in zip((method, *at), self.axes.values(), strict=True):
            found = found * len(labels) + i
        return found

    def state(self, at: Sequence[int]) -> str:
        settings = list(self.axes.items())[1:]
        return ", ".join(f"{name} {labels[i]}" for i, (name, labels) in zip(at, settings, strict=True))

    def cell(self, measure: str, method: int, at: Sequence[int]) -> str:
        found, i = self.measures[measure], self.place(method, at)
        mean, low, high = (found[part][i] for part in ("mean", "low", "high"))
        if mean is None:
            return "not measured"
        form = f",.{found['digits']}f"
        return f"{mean:{form}}" + (f" ({low:{form}} to {high:{form}})" if low != high else "")


def spread(name: str, values: Any, shape: tuple[int, ...], log: bool) -> dict[str, Any]:
    """Mean, lowest and highest of a measure's runs in each state, flat, with as many digits as tell them apart."""
    check_kind("the name of a measure", name, str, "a word")
    check_kind(name, values, (list, tuple, np.ndarray), "an array of numbers")
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {shown(values)}; an array of numbers is right") from None
    if array.shape == shape:
        array = array[..., None]
    if array.shape[:-1] != shape or not array.shape[-1] or np.isinf(array).any() or np.isnan(array).all():
        raise ValueError(
            f"{name} is {shown(array)} of shape {array.shape}; finite numbers of shape {shape}, or with an axis of "
            "runs behind, are right"
        )
    if log and (array <= 0).any():
        raise ValueError(f"{name} has values of 0 or less, which have no place on a logarithmic axis")
    runs = array.reshape(-1, array.shape[-1])
    top = float(np.nanmax(np.abs(runs)))
    digits = 0 if (runs == runs.round()).all() else 1 if top >= 10 else 2 if top >= 0.1 else 3
    measured = ~np.isnan(runs).all(1)
    parts: dict[str, Any] = {"mean": np.nanmean, "low": np.nanmin, "high": np.nanmax}
    flat = {
        part: [float(f"{f(row):.6g}") if there else None for row, there in zip(runs, measured, strict=True)]
        for part, f in parts.items()
    }
    return flat | {"log": log, "digits": digits}


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
