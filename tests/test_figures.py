"""Figures for the page: SVG that follows the page's ink, panels that stack, names at the ends of lines."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from tgan_lib import plots
from tgan_lib.figures import spread


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with plt.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def drawings(shown: plots.Shown) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in shown.drawings]


def words(svg: ET.Element) -> list[str]:
    return [text.text or "" for text in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_a_figure_is_svg_with_its_words_and_is_closed() -> None:
    figure, ax = plt.subplots()
    ax.plot([0, 1], [0, 1])
    ax.set(xlabel="step", title="a < b")
    shown = plots.show(figure, alt='a line that "rises"', caption="It rises <fast>.")
    [svg] = drawings(shown)
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == 'a line that "rises"'
    assert {"step", "a < b"} <= set(words(svg))
    page = shown._repr_html_()
    assert "It rises &lt;fast&gt;." in page
    assert plots.INK not in page
    assert "currentColor" in page  # the page's ink
    assert not plt.fignum_exists(figure.number)
    assert repr(shown) == "Figure: It rises <fast>."


def test_the_current_figure_and_an_axes_are_figures_too() -> None:
    _, ax = plt.subplots()
    ax.set_title("this")
    assert "this" in words(drawings(plots.show(alt="empty axes"))[0])
    _, ax = plt.subplots()
    ax.set_title("that")
    assert "that" in words(drawings(plots.show(ax, alt="empty axes"))[0])


def test_each_panel_is_a_drawing_with_its_twin_and_its_colour_bar() -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    figure.colorbar(left.imshow(np.eye(3)), ax=left).set_label("the bar")
    left.set_title("map")
    right.set_title("lines")
    right.twinx().set_ylabel("the twin")
    first, second = drawings(plots.show(figure, alt="a map, and lines"))
    assert {"map", "the bar"} <= set(words(first))
    assert {"lines", "the twin"} <= set(words(second))
    assert not {"lines", "the twin"} & set(words(first))
    assert not {"map", "the bar"} & set(words(second))
    heights = {svg.get("viewBox", "").split()[3] for svg in (first, second)}
    assert len(heights) == 1  # so that the axes stand on one line
    assert second.get("aria-label") == "Panel 2 of 2 of the figure described before."


def test_panels_may_stay_together() -> None:
    figure, _ = plt.subplots(1, 2)
    assert len(plots.show(figure, alt="two empty axes", panels=False).drawings) == 1


def test_images_keep_their_own_pixels() -> None:
    images = torch.rand(4, 1, 28, 28) * 2 - 1
    ax = plots.show_images(images, columns=2)
    [svg] = plots.show(ax, alt="four squares").drawings
    [png] = re.findall(r'href="data:image/png;base64,([^"]*)"', svg, re.DOTALL)
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    assert picture.size == (57, 57)
    assert np.array_equal(np.asarray(picture)[:28, :28, :3], plots.to_array(images)[0])
    assert "pixelated" in svg


def test_words_in_a_lines_colour_can_be_changed_by_the_page_and_lines_cannot() -> None:
    _, ax = plt.subplots()
    ax.plot([0, 1], [0, 1], label="plain")
    plots.label_ends(ax)
    [svg] = plots.show(ax, alt="one line").drawings
    assert f"fill: var(--tgan-words-1, {plots.COLOURS[0]})" in svg
    assert f"stroke: {plots.COLOURS[0]}" in svg


def test_places_are_short_and_words_keep_their_digits() -> None:
    _, ax = plt.subplots()
    ax.plot([0, 1 / 3, 1], [0, 1 / 7, 1])
    ax.set_title("0.12345678")
    shown = plots.show(ax, alt="one line")
    [svg] = drawings(shown)
    paths = [path.get("d", "") for path in svg.iter("{http://www.w3.org/2000/svg}path")]
    assert paths
    assert all(not re.search(r"\.\d{3}|\n", path) for path in paths)
    assert "0.12345678" in words(svg)


def test_names_stand_at_the_ends_of_their_lines_and_not_on_one_another() -> None:
    _, ax = plt.subplots()
    for name, height in (("a", 0.5), ("b", 0.5), ("c", 0.0), ("_hidden", 0.3)):
        ax.plot([0, 1, np.nan], [0, height, np.nan], label=name)
    plots.label_ends(ax)
    ax.figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in ax.texts}
    assert set(boxes) == {"a", "b", "c"}
    assert not boxes["a"].overlaps(boxes["b"])
    end = ax.transData.transform((1, 0))
    assert boxes["c"].x0 > end[0]
    assert boxes["c"].y0 < end[1] < boxes["c"].y1


@pytest.mark.parametrize("seed", range(5))
def test_spread_places_keep_their_order_their_distance_and_their_middle(seed: int) -> None:
    wanted = np.random.default_rng(seed).normal(size=7).tolist()
    places = spread(wanted, 0.7)
    order = np.argsort(wanted)
    assert (np.diff(np.array(places)[order]) >= 0.7 - 1e-9).all()
    assert np.mean(places) == pytest.approx(np.mean(wanted))
    far = (np.arange(7) * 2.0).tolist()
    assert spread(far, 0.7) == pytest.approx(far)


def test_a_figure_without_words_and_a_thing_that_is_none_are_refused() -> None:
    figure, _ = plt.subplots()
    with pytest.raises(ValueError, match="alt is ''"):
        plots.show(figure, alt=" ")
    with pytest.raises(TypeError, match="matplotlib figure"):
        plots.show("figure", alt="words")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="axes"):
        plots.label_ends(figure)  # type: ignore[arg-type]
