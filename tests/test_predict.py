"""Predictions and veiled results: where a guess goes in a figure, what is said without scripts, what is refused."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tgan_lib.widgets import inline
from tgan_lib.widgets.predict import Reveal, predict, reveal


@pytest.fixture(autouse=True)
def asked() -> Iterator[None]:
    predict("few", "How many?", slider=(0, 6, 1))
    predict("rate", "How far?", slider=[0, 0.1, 1, 10, 100], unit="px")
    predict("best", "Which?", choice=["a", "b<c", "d"])
    predict("ways", "In which order?", order=["a", "b<c", "d"], ends=("near", "far"))
    yield
    plt.close("all")


def about(text: str) -> dict[str, Any]:
    found = re.search(r'data-about="([^"]*)"', text)
    assert found
    parsed: dict[str, Any] = json.loads(html.unescape(found[1]))
    return parsed


def figure(**settings: Any) -> Any:
    made, ax = plt.subplots(figsize=(5, 3))
    ax.set(**settings)
    return made


def dots(svg: str) -> list[tuple[float, float]]:
    """The places of the markers in matplotlib's SVG."""
    return [(float(x), float(y)) for x, y in re.findall(r'<use [^>]*?x="([\d.]+)" y="([\d.]+)"', svg)]


@pytest.mark.parametrize("on", ["x", "y"])
@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
def test_a_guess_stands_where_matplotlib_itself_draws_its_value(on: str, scale: str) -> None:
    made = figure(**{f"{on}scale": scale, f"{on}lim": (0.05, 300)}, title="with a title")
    ax, stops = made.axes[0], [0.1, 1, 10, 100]
    data = (stops, [0.5] * 4) if on == "x" else ([0.5] * 4, stops)
    ax.plot(*data, "o")
    ax.set(xticks=[], yticks=[])
    ax.minorticks_off()
    shown = reveal("rate", made, answer=3.0, on=on, alt="Dots.")
    marks, drawn = about(shown._repr_html_())["marks"], dots(shown.result)
    assert len(drawn) == 4
    np.testing.assert_allclose(marks["at"][1:], [place["xy".index(on)] for place in drawn], atol=0.02)
    low, high = sorted((marks["at"][2], marks["at"][3]))
    assert low < marks["answer"] < high
    if scale == "log":  # 0 has no place there: it is beyond the low end
        assert marks["at"][0] == (marks["box"][0] - 9 if on == "x" else marks["box"][3] + 9)
    assert marks["titled"]


def test_a_wide_label_does_not_shift_it() -> None:
    """The picture is cut to what is drawn, beyond the figure's own edges too."""
    made = figure(xlim=(0, 6), yticks=[0], yticklabels=["a name that is far too long for the margin"])
    made.axes[0].plot([2], [0], "o")
    made.axes[0].set_xticks([])
    shown = reveal("few", made, answer=5, alt="A dot.")
    dot = dots(shown.result)[-1]
    assert about(shown._repr_html_())["marks"]["at"][2] == pytest.approx(dot[0], abs=0.02)


def test_choices_are_found_by_the_labels_of_lines_bars_and_ticks() -> None:
    made = figure()
    ax = made.axes[0]
    ax.plot([0, 1], [0, 1], label="a")
    ax.bar([0], [0.5], width=0.2, label="b<c")
    ax.set_xticks([0.8], ["d"])
    spots = about(reveal("best", made, answer="a", alt="Mixed.")._repr_html_())["marks"]["spots"]
    assert [[*spot] for spot in spots.values()] == [["line"], ["box"], ["box", "band"]]
    (x0, y0), (x1, y1) = spots["a"]["line"]
    assert x0 < x1
    assert y0 > y1, "y grows downwards in SVG"
    left, top, right, bottom = spots["b<c"]["box"]
    assert left < x0 < right
    assert bottom == pytest.approx(y0, abs=0.1)
    assert top < bottom


def test_places_name_what_has_no_label() -> None:
    made = figure(xlim=(0, 10))
    bars = made.axes[0].bar([1, 2, 3], [1, 2, 3])
    places = {"a": bars[0], "b<c": bars, "d": 5.0}
    spots = about(reveal("best", made, answer=["a", "d"], alt="Bars.", places=places)._repr_html_())["marks"][
        "spots"
    ]
    assert spots["b<c"]["box"][0] == spots["a"]["box"][0]
    assert spots["b<c"]["box"][2] > spots["a"]["box"][2]
    assert spots["d"]["axis"] == "x"


def test_without_scripts_there_are_the_question_and_the_result() -> None:
    text = inline.without_tails(predict("q", "1 < 2?", choice=["yes & no", "no"])._repr_html_())
    assert '<p class="tgan-question">1 &lt; 2?</p>' in text
    assert "<li>yes &amp; no</li>" in text
    shown = reveal("few", figure(xlim=(0, 6)), answer=5, alt='Nothing, "yet".', caption="Five <of> six.")
    text = inline.without_tails(shown._repr_html_())
    assert "It is 5." in text
    assert "Five &lt;of&gt; six." in text
    assert 'aria-label="Nothing, &quot;yet&quot;."' in text
    assert not re.search(r"<script|<style|veil|inert|hidden", text)
    assert (
        "The order that was found: d, a, b&lt;c."
        in reveal("ways", "<svg></svg>", answer=["d", "a", "b<c"])._repr_html_()
    )
    assert (
        "<p>From 0.0 px to 100.0 px.</p>" in predict("r", "?", slider=[0, 0.1, 100], unit="px")._repr_html_()
    )


def test_the_figure_is_closed_and_left_without_what_a_page_has_no_use_for() -> None:
    made = figure()
    shown = reveal("few", made, answer=5, alt="Axes.")
    assert not plt.fignum_exists(made.number)
    assert shown.result.startswith("<svg ")
    assert "metadata" not in shown.result
    assert 'id="axes_1"' not in shown.result
    for name in re.findall(r"(?:url\(|href=\")#([\w-]+)", shown.result):
        assert f'id="{name}"' in shown.result
    again = reveal("few", figure(), answer=5, alt="Axes.")
    assert again.result == shown.result, "the same run gives the same bytes"


@pytest.mark.parametrize(
    ("slider", "stops"),
    [
        ((0, 1, 0.25), [0, 0.25, 0.5, 0.75, 1]),
        ([1, 10, 100], [1, 10, 100]),
        ((-0.3, 0.3, 0.3), [-0.3, 0, 0.3]),
    ],
)
def test_all_places_of_a_slider(slider: Any, stops: list[float]) -> None:
    assert predict("s", "?", slider=slider).about["stops"] == stops


def test_a_page_gets_one_copy_of_script_and_style() -> None:
    asked, shown = predict("x", "?", slider=(0, 1, 1)), reveal("few", "<svg></svg>", answer=5)
    body = f"<p>{asked._repr_html_()}{shown._repr_html_()}{asked._repr_html_()}</p>"
    page = inline.linked(body, "../_static/outputs/")
    assert page.count('<script src="../_static/outputs/predict.js"></script>') == 1
    assert page.count('<link rel="stylesheet" href="../_static/outputs/predict.css">') == 1
    assert page.count("tganOutputs.predict()") == 1
    assert "<style" not in page
    assert len(page) < 4000


def result(**given: Any) -> Reveal:
    return reveal(given.pop("name", "best"), given.pop("result", "<svg></svg>"), **{"answer": "a", **given})


def test_what_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="one of slider, choice and order; none was given"):
        predict("x", "?")
    with pytest.raises(ValueError, match="one of slider, choice and order; slider, choice was given"):
        predict("x", "?", slider=(0, 1, 1), choice=["a", "b"])
    with pytest.raises(ValueError, match=r"slider is \(0, 1, 1e-06\), 1000001 values"):
        predict("x", "?", slider=(0, 1, 1e-6))
    with pytest.raises(ValueError, match=r"slider is \[3, 2\]; two values or more in rising order"):
        predict("x", "?", slider=[3, 2])
    with pytest.raises(ValueError, match="two different answers or more"):
        predict("x", "?", choice=["a", "a"])
    with pytest.raises(ValueError, match="no prediction named 'bets'"):
        result(name="bets")
    with pytest.raises(ValueError, match="no answer of 'best' named 'c'"):
        result(answer="c")
    with pytest.raises(ValueError, match="is no order of all 3"):
        result(name="ways", answer=["a", "d"])
    with pytest.raises(ValueError, match="alt is ''"):
        result(result=figure())
    with pytest.raises(ValueError, match="no line, bar or tick that is called 'a', a choice of 'best'"):
        result(result=figure(), alt="Nothing.")
    with pytest.raises(ValueError, match="one of the figure's 1 axes"):
        result(result=figure(), alt="Nothing.", ax=figure().axes[0])
    with pytest.raises(TypeError, match="result is 5; a figure, SVG or a table is right"):
        result(result=5)
