"""Pictures behind sliders: the right picture at each place, words that fit, and what is refused."""

from __future__ import annotations

import base64
import html
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from tgan_lib.widgets.frames import Frames, grids, tiles

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (3, 4, 5, 7), dtype=np.uint8)  # three ways, four steps
AXES = {"way": ["a", "b<c", "d"], "step": ["0", "10", "20", "30"]}


def made(**options: object) -> Frames:
    return Frames(PICTURES, AXES, alt='Noise, "grey"', **options)  # type: ignore[arg-type]


def sheet(text: str) -> np.ndarray:
    found = re.search(r"data:image/png;base64,([^)]+)\)", text)
    assert found
    return np.array(Image.open(io.BytesIO(base64.b64decode(found[1]))))


def about(text: str) -> dict[str, object]:
    found = re.search(r'data-about="([^"]*)"', text)
    assert found
    parsed: dict[str, object] = json.loads(html.unescape(found[1]))
    return parsed


def test_every_picture_is_in_the_sheet_where_the_script_looks_for_it() -> None:
    text = made()._repr_html_()
    columns, rows = about(text)["sides"]  # type: ignore[misc]
    assert (columns, rows) == (8, 2)
    pixels = sheet(text)
    for i, picture in enumerate(PICTURES.reshape(-1, 5, 7)):
        y, x = 5 * (i // columns), 7 * (i % columns)
        np.testing.assert_array_equal(pixels[y : y + 5, x : x + 7], picture)


def test_it_starts_where_it_was_told_to_without_scripts_too() -> None:
    text = made(start={"step": 2, "way": 1}, captions=[f"picture {i}" for i in range(12)])._repr_html_()
    assert ") 85.71% 0%/800% 200%" in text  # picture 1 * 4 + 2, the seventh of eight in the first row
    assert ">picture 6</div>" in text
    assert 'max="3" value="2"' in text
    assert 'aria-valuetext="20"' in text


def test_an_axis_is_a_slider_or_a_list_and_words_are_escaped() -> None:
    text = made(choose=["way"])._repr_html_()
    assert text.count('type="range"') == 1
    assert "<option selected>a</option><option>b&lt;c</option><option>d</option>" in text
    assert 'aria-label="Noise, &quot;grey&quot;"' in text
    assert about(text)["labels"] == list(AXES.values())


def test_the_same_figure_has_the_same_html_and_another_another_name() -> None:
    assert made()._repr_html_() == made()._repr_html_()
    names = {
        re.search(r'data-frames="(\w+)"', f._repr_html_())[1]
        for f in (made(), Frames(PICTURES[::-1], AXES, alt="x"))
    }  # type: ignore[index]
    assert len(names) == 2
    assert repr(made()) == "Frames(12 pictures by way, step)"


def test_grids_of_samples_become_pictures_of_one_size() -> None:
    batches = [torch.zeros(6, 1, 4, 4), torch.ones(6, 1, 4, 4)]
    pictures = grids(batches, columns=3)
    assert pictures.shape == (2, 9, 14, 4)
    assert Frames(pictures, {"t": ["0", "1"]}, alt="x").flat.shape == (2, 9, 14, 4)
    data, columns, rows = tiles(pictures)
    image = Image.open(io.BytesIO(data))
    assert (columns, rows) == (2, 1)
    assert image.mode == "LA"
    assert image.size == (28, 9)


def test_what_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"uint8 of shape \(3, 4, 5, 7\), the axes have \(4,\) places"):
        Frames(PICTURES, {"step": AXES["step"]}, alt="x")
    with pytest.raises(ValueError, match="float64"):
        Frames(PICTURES / 2, AXES, alt="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 captions for 12 pictures"):
        made(captions=["a", "b"])
    with pytest.raises(ValueError, match="no axis named 'steps' .*; known: step, way"):
        made(choose=["steps"])
    with pytest.raises(ValueError, match="the start of 'step' is 4; .* from 0 to 3 is right"):
        made(start={"step": 4})
