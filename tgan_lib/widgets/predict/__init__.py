"""Predictions that are made on the page, and results that wait for them behind a veil.

    predict("photocopier", "Of six measures, how many prefer the photocopier?", slider=(0, 6, 1))

and in a later cell

    reveal("photocopier", figure, answer=5, alt="Six pairs of bars ...")

The guess stays in the reader's browser, and Python never sees it. Until there is one, the result is veiled;
then the guess is drawn in the figure, where its value lies on the axes, and one sentence compares the two.
Works in a notebook, on the built page and from a file; without scripts there are the question and the result.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import check_kind, one_of, real_number, shown, unknown_name, whole_number
from ..inline import attribute, call, tail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_STOPS = 1001
_asked: dict[str, Prediction] = {}  # what this session's cells have asked, for `reveal`


@dataclass(frozen=True)
class Prediction:
    """A question with its answers, shown where it is the last thing in a cell."""

    name: str
    question: str
    kind: str
    about: dict[str, Any]

    def __repr__(self) -> str:
        return f"Prediction({self.name!r}, a {self.kind})"

    def _repr_html_(self) -> str:
        return (
            f'<div class="tgan-box tgan-predict" data-predict="{html.escape(self.name)}" '
            f'data-about="{attribute(self.about)}"><span class="tgan-eyebrow">Your prediction</span>'
            f'<p class="tgan-question">{html.escape(self.question)}</p>{self.still()}</div>{tail("predict")}'
        )

    def still(self) -> str:
        """The answers to choose from, as a page without scripts has them."""
        if self.kind == "slider":
            low, high = (
                worded(self.about["stops"][i], self.about["digits"], self.about["unit"]) for i in (0, -1)
            )
            return f"<p>From {low} to {high}.</p>"
        items = "".join(f"<li>{html.escape(option)}</li>" for option in self.about["options"])
        words = html.escape(" to ".join(self.about.get("ends", ())))
        ends = f"<p>Put them in order, {words}.</p>" if self.kind == "order" else ""
        return f'{ends}<ul class="tgan-still">{items}</ul>'


def predict(
    name: str,
    question: str,
    *,
    slider: tuple[float, float, float] | Sequence[float] | None = None,
    choice: Sequence[str] | None = None,
    order: Sequence[str] | None = None,
    unit: str = "",
    ends: tuple[str, str] = ("first", "last"),
) -> Prediction:
    """Ask for a prediction: a value on a slider, one of several, or an order. Exactly one of the three is given.

    name: of the guess, one a page, for `reveal`. question: one sentence, as text. slider: a tuple (lowest,
    highest, step), or a list of all its values, which may be unevenly spaced. choice: the answers. order: what
    to put in order, in the order that is shown first, which should not be the right one; ends: what its first
    and last place mean. unit: after a slider's numbers. TypeError or ValueError for none or two of the three,
    fewer than two answers, or an answer twice.
    """
    check_kind("name", name, str, "a short word of letters, digits and hyphens")
    check_kind("question", question, str, "a sentence")
    if not name or not question:
        raise ValueError(f"name is {shown(name)} and question {shown(question)}; some words each are right")
    given = {
        kind: value
        for kind, value in (("slider", slider), ("choice", choice), ("order", order))
        if value is not None
    }
    if len(given) != 1:
        raise ValueError(
            f"a prediction is one of slider, choice and order; {', '.join(given) or 'none'} was given"
        )
    check_kind("unit", unit, str, "a word such as '%'")
    [(kind, value)] = given.items()
    about: dict[str, Any] = {"kind": kind}
    if kind == "slider":
        stops = all_stops(value)
        digits = max(decimals(stop) for stop in stops)
        ratio = stops[0] > 0 and stops[-1] / stops[0] >= 20
        about |= {"stops": stops, "digits": digits, "unit": unit, "ratio": ratio}
    else:
        about |= {"options": answers(kind, value)}
        if kind == "order":
            check_kind("ends", ends, (tuple, list), "two words such as ('nearest', 'farthest')")
            if len(ends) != 2 or not all(isinstance(end, str) for end in ends):
                raise ValueError(
                    f"ends are {shown(ends)}; two words, such as ('nearest', 'farthest'), are right"
                )
            about |= {"ends": list(ends)}
    _asked[name] = asked = Prediction(name, question, kind, about)
    return asked


@dataclass(frozen=True)
class Reveal:
    """A result that waits for its prediction, shown where it is the last thing in a cell."""

    name: str
    about: dict[str, Any]
    result: str  # HTML or SVG
    found: str  # one sentence, for those without a guess
    caption: str

    def __repr__(self) -> str:
        return f"Reveal({self.name!r}: {self.found})"

    def _repr_html_(self) -> str:
        caption = f'<p class="tgan-caption">{html.escape(self.caption)}</p>' if self.caption else ""
        return (
            f'<div class="tgan-box tgan-reveal" data-reveal="{html.escape(self.name)}" '
            f'data-about="{attribute(self.about)}"><div class="tgan-result"><div class="tgan-shown">'
            f"{self.result}{caption}</div></div>"
            f'<p class="tgan-say tgan-found">{html.escape(self.found)}</p><p class="tgan-say" role="status"></p></div>'
            f"{call('predict')}"
        )


def reveal(
    name: str,
    result: Any,
    *,
    answer: float | str | Sequence[str],
    alt: str = "",
    caption: str = "",
    ax: Axes | None = None,
    on: str = "x",
    places: Mapping[str, Any] | None = None,
    digits: int | None = None,
    near: float | None = None,
) -> Reveal:
    """The result of a prediction, veiled until the reader has one, and then with the guess drawn into it.

    name: that of the `predict` before. result: a matplotlib figure, which is closed; or SVG as text, or what
    shows itself as HTML (a table, `Frames`), in which nothing is drawn. answer: the value, the choice (several
    where they come out equal), or the whole order, best from the run itself. alt: what is to be seen in a
    figure. caption: the finding.

    Where the guess is drawn: `ax`, the figure's first axes by default; `on`, the axis that a slider's value
    lies on, "x" or "y", linear or logarithmic. A choice or item is looked for among the labels of lines and
    bars, then of ticks; `places` names what is to be marked otherwise: an artist, or a number on the axis.
    digits: of the answer in the sentence. near: how far a guess may be off to count as right, by default half a
    step. ValueError for a name that nobody asked, an answer that is none of the question's, a choice that has
    no place in the figure.
    """
    from matplotlib.figure import Figure

    check_kind("name", name, str, "the name of a prediction")
    if name not in _asked:
        raise unknown_name("prediction", name, _asked)
    asked = _asked[name]
    check_kind("alt", alt, str, "a line of words")
    check_kind("caption", caption, str, "a sentence")
    one_of("axis", on, ("x", "y"))
    check_kind("places", places, (Mapping, type(None)), "a dictionary from choices to artists or numbers")
    about = dict(asked.about)
    if asked.kind == "slider":
        about["answer"] = value = real_number("answer", answer)
        stops = about["stops"]
        step = min(b - a for a, b in pairwise(stops))
        about["near"] = step / 2 if near is None else real_number("near", near, least=0)
        about["foundDigits"] = (
            min(decimals(value), max(about["digits"], 2 - floor(log10(abs(value) or 1))))
            if digits is None
            else whole_number("digits", digits, 0, 10)
        )
        about["found"] = worded(value, about["foundDigits"], about["unit"])
        found = f"It is {about['found']}."
    else:
        options = about["options"]
        listed: Any = [answer] if isinstance(answer, str) else answer
        check_kind("answer", listed, (list, tuple), "one of the choices, or a list of them")
        for item in [*listed, *(places or {})]:
            one_of(f"answer of {name!r}", item, options)
        if asked.kind == "order" and sorted(listed) != sorted(options):
            raise ValueError(
                f"the answer {shown(listed)} is no order of all {len(options)} that were to be put in order"
            )
        about["answer"] = list(listed)
        found = (
            f"The order that was found: {', '.join(listed)}."
            if asked.kind == "order"
            else f"It is {' or '.join(listed)}."
        )
    if isinstance(result, Figure):
        if not alt:
            raise ValueError("alt is ''; a figure needs a sentence that says what is to be seen")
        about["marks"], text = figure_marks(result, alt, about, ax, on, places or {}, name)
    elif isinstance(result, str):
        text = result
    elif hasattr(result, "_repr_html_"):
        text = result._repr_html_()
    else:
        raise TypeError(f"result is {shown(result)}; a figure, SVG or a table is right")
    return Reveal(name, about, text, found, caption)


def figure_marks(
    figure: Any,
    alt: str,
    about: dict[str, Any],
    ax: Axes | None,
    on: str,
    places: Mapping[str, Any],
    name: str,
) -> tuple[dict[str, Any], str]:
    """Where guesses go in a figure, and its SVG; the figure is closed, or it would be shown bare as well."""
    import matplotlib.pyplot as plt

    from .figure import Placed, line_marks, spot_marks

    axes = figure.axes[:1] if ax is None else [ax]
    if not axes or not any(axes[0] is one for one in figure.axes):
        raise ValueError(f"ax is {shown(ax)}; one of the figure's {len(figure.axes)} axes is right")
    drawn = Placed(figure, alt)
    if about["kind"] == "slider":
        marks = line_marks(drawn, axes[0], on, about["stops"], about["answer"])
    else:
        marks = spot_marks(drawn, axes[0], on, about["options"], dict(places))
        lost = [option for option in about["options"] if option not in marks["spots"]]
        if lost and about["kind"] == "choice":
            raise ValueError(
                f"the figure has no line, bar or tick that is called {lost[0]!r}, a choice of {name!r}; "
                "say in `places` what to mark"
            )
    plt.close(figure)
    return marks, drawn.svg


def all_stops(slider: Any) -> list[float]:
    """The values that a slider can take, in rising order."""
    check_kind(
        "slider",
        slider,
        (tuple, list, range, np.ndarray),
        "a tuple (lowest, highest, step) or a list of values",
    )
    if isinstance(slider, tuple):
        if len(slider) != 3:
            raise ValueError(f"slider is {shown(slider)}; (lowest, highest, step) is right")
        low = real_number("the slider's lowest value", slider[0])
        step = real_number("the slider's step", slider[2], above=0)
        high = real_number("the slider's highest value", slider[1], above=low)
        count = round((high - low) / step) + 1
        if not 2 <= count <= MOST_STOPS:
            raise ValueError(f"slider is {shown(slider)}, {count} values; from 2 to {MOST_STOPS} are right")
        stops = [round(low + i * step, 10) for i in range(count)]
    else:
        stops = [real_number("a value of the slider", value) for value in slider]
        if not 2 <= len(stops) <= MOST_STOPS or sorted(set(stops)) != stops:
            raise ValueError(f"slider is {shown(slider)}; two values or more in rising order are right")
    return [int(stop) if float(stop).is_integer() else stop for stop in stops]


def answers(kind: str, options: Any) -> list[str]:
    """The options of a choice or an order."""
    check_kind(kind, options, (list, tuple), "a list of words")
    for option in options:
        check_kind(f"an answer of {kind}", option, str, "a word or a line of words")
    if len(options) < 2 or len(set(options)) < len(options) or "" in options:
        raise ValueError(f"{kind} is {shown(options)}; two different answers or more are right")
    return list(options)


def decimals(value: float) -> int:
    """Digits after the point that a number is written with."""
    return len(f"{value:.10f}".rstrip("0").partition(".")[2])


def worded(value: float, digits: int, unit: str) -> str:
    """A number as the page writes it: commas between thousands, a true minus, its unit."""
    text = f"{value:,.{digits}f}".replace("-", "−")
    return f"{text} {unit}" if unit else text
