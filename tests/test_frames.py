"""Pictures behind sliders: the right picture at each place, words that fit, and what is refused."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tgan_lib.widgets import inline
from tgan_lib.widgets.frames import Frames, grids, png, tiles

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (3, 4, 5, 7), dtype=np.uint8)  # three ways, four steps
AXES = {"way": ["a", "b<c", "d"], "step": ["0", "10", "20", "30"]}


def made(**options: object) -> Frames:
    return Frames(PICTURES, AXES, alt='Noise, "grey"', **options)  # type: ignore[arg-type]


def sheet(text: str) -> np.ndarray:
    found = re.search(r"data:image/(?:png|webp);base64,([^)]+)\)", text)
    assert found
    return np.array(Image.open(io.BytesIO(base64.b64decode(found[1]))))


def about(text: str) -> dict[str, Any]:
    found = re.search(r'data-about="([^"]*)"', text)
    assert found
    parsed: dict[str, Any] = json.loads(html.unescape(found[1]))
    return parsed


def test_every_picture_is_in_the_sheet_where_the_script_looks_for_it() -> None:
    text = made()._repr_html_()
    columns, rows = about(text)["sides"]
    assert (columns, rows) == (8, 2)
    pixels = sheet(text)
    for i, picture in enumerate(PICTURES.reshape(-1, 5, 7)):
        y, x = 5 * (i // columns), 7 * (i % columns)
        np.testing.assert_array_equal(pixels[y : y + 5, x : x + 7], picture)


def test_it_starts_where_it_was_told_to_without_scripts_too() -> None:
    text = made(start={"step": 2, "way": 1}, captions=[f"picture {i}" for i in range(12)])._repr_html_()
    assert ") 85.71% 0%/800% 200%" in text  # picture 1 * 4 + 2, the seventh of eight in the first row
    assert ">picture 6</div>" in text
    assert about(text)["start"] == [1, 2]


def test_an_axis_is_a_slider_or_a_list_and_words_are_escaped() -> None:
    text = made(choose=["way"])._repr_html_()
    assert about(text)["choose"] == [True, False]
    assert "b<c" not in text
    assert 'aria-label="Noise, &quot;grey&quot;"' in text
    assert about(text)["labels"] == list(AXES.values())


def test_the_same_figure_has_the_same_html_and_another_another_name() -> None:
    assert made()._repr_html_() == made()._repr_html_()
    names = {
        re.findall(r'data-frames="(\w+)"', f._repr_html_())[0]
        for f in (made(), Frames(PICTURES[::-1], AXES, alt="x"))
    }
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
    assert image.size == (28, 9)
    np.testing.assert_array_equal(np.array(image.convert("RGBA"))[:, :14], pictures[0])


@pytest.mark.parametrize("colours", [(), (2,), (3,), (4,)])
@pytest.mark.parametrize("kind", ["noise", "few", "grey", "opaque"])
def test_a_png_holds_every_pixel_and_is_no_larger_than_the_plain_one(
    colours: tuple[int, ...], kind: str
) -> None:
    sheet = RNG.integers(0, 256, (32, 40, *colours), dtype=np.uint8)
    if kind == "few":
        sheet = sheet // 100 * 100
    if kind == "grey" and colours > (2,):
        sheet[..., 1:3] = sheet[..., :1]
    if kind == "opaque" and colours in ((2,), (4,)):
        sheet[..., -1] = 255
    read = Image.open(io.BytesIO(png(sheet)))
    mode = {(): "L", (2,): "LA", (3,): "RGB", (4,): "RGBA"}[colours]
    wanted = np.array(Image.fromarray(sheet).convert("RGBA"))
    np.testing.assert_array_equal(np.array(read.convert("RGBA")), wanted)
    plain = io.BytesIO()
    Image.fromarray(sheet, mode).save(plain, "PNG", optimize=True)
    assert len(png(sheet)) <= len(plain.getvalue())


@pytest.mark.parametrize("colours", [(), (2,), (3,), (4,)])
def test_a_webp_is_smaller_and_nearly_the_same(colours: tuple[int, ...]) -> None:
    waves = 127 + 60 * np.sin(np.arange(64) / 9)[:, None] + 60 * np.cos(np.arange(64) / 5)[None, :]
    noisy = np.broadcast_to(waves.reshape(64, 64, *[1] * len(colours)), (64, 64, *colours)) + RNG.normal(
        0, 4, (64, 64, *colours)
    )
    pictures = np.stack([noisy.clip(0, 255).astype(np.uint8)] * 3)
    if colours in ((2,), (4,)):
        pictures[..., -1] = 255
    whole = Frames(pictures, {"step": ["0", "1", "2"]}, alt="Waves")._repr_html_()
    small = Frames(pictures, {"step": ["0", "1", "2"]}, alt="Waves", quality=80)._repr_html_()
    assert len(small) < len(whole)
    assert "data:image/webp" in small
    read = sheet(small)[..., :3].astype(int)
    shown = pictures if colours in ((3,), (4,)) else pictures.reshape(3, 64, 64, -1)[..., :1].repeat(3, -1)
    for i in range(3):
        assert abs(read[:, 64 * i : 64 * (i + 1)] - shown[i][..., :3]).mean() < 12


def test_a_curve_has_a_number_for_each_picture() -> None:
    whole = np.arange(12.0).reshape(3, 4)
    drawn = about(made(curve={"loss": whole})._repr_html_())
    assert drawn["along"] == 1
    assert drawn["curves"]["loss"] == {"values": list(range(12)), "log": False, "digits": 0}
    steps = about(made(curve={"loss": [1.5, np.nan, 2, 3]})._repr_html_())["curves"]
    assert steps["loss"]["values"] == [1.5, None, 2, 3] * 3
    ways = about(made(curve={"loss": [1, 2, 3]}, along="way", choose=["step"])._repr_html_())
    assert ways["curves"]["loss"]["values"] == [1] * 4 + [2] * 4 + [3] * 4
    assert about(made(compare={"way": 2})._repr_html_())["kept"] == [2, 0]


def test_outputs_of_before_get_the_script_of_now() -> None:
    old = made()._repr_html_().replace(inline.tail("frames"), "")
    script = """<script>
for (const box of document.querySelectorAll('[data-frames="0a1b"]:not([data-going])')) { }
</script>"""
    page = inline.linked(f"<p>{old}{script}{made()._repr_html_()}</p>", "o/")
    assert page.count('<script src="o/frames.js"></script>') == 1
    assert page.count("tganOutputs.frames()") == 1
    assert "querySelectorAll" not in page


def test_what_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"uint8 of shape \(3, 4, 5, 7\), the axes have \(4,\) places"):
        Frames(PICTURES, {"step": AXES["step"]}, alt="x")
    with pytest.raises(ValueError, match="float64"):
        Frames(PICTURES / 2, AXES, alt="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 captions for 12 pictures"):
        made(captions=["a", "b"])
    with pytest.raises(ValueError, match=r"no axis named 'steps' .*; known: step, way"):
        made(choose=["steps"])
    with pytest.raises(ValueError, match=r"the start of 'step' is 4; .* from 0 to 3 is right"):
        made(start={"step": 4})
    with pytest.raises(ValueError, match=r"'loss' is .* of shape \(5,\); finite numbers of shape \(3, 4\)"):
        made(curve={"loss": [1, 2, 3, 4, 5]})
    with pytest.raises(ValueError, match="0 or less"):
        made(curve={"loss": [0, 1, 2, 3]}, log=True)
    with pytest.raises(ValueError, match=r"quality is 101; .* from 1 to 100 is right"):
        made(quality=101)
    with pytest.raises(ValueError, match="no slider to run along"):
        made(curve={"loss": [0, 1, 2, 3]}, choose=["way", "step"])
