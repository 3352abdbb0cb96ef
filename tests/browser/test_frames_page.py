"""Pictures behind sliders in a browser, with no kernel: by mouse and by keyboard, on a phone, from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from visits import Visit

from tgan_lib.widgets.frames import Frames

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Frames</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>:root {{ color-scheme: light dark }} body {{ background: Canvas; color: CanvasText; margin: 16px }}</style>
</head><body><main><h1>Frames</h1>{}</main></body></html>"""
# Ten pictures, each of one grey that says which it is.
GREYS = np.linspace(0, 225, 10).astype(np.uint8)
PICTURES = np.broadcast_to(GREYS.reshape(2, 5, 1, 1), (2, 5, 20, 40)).copy()
AXES = {"way": ["plain", "frozen"], "step": ["0", "10", "20", "50", "100"]}


@pytest.fixture
def shown(open_page: Callable[..., Visit], tmp_path: Path) -> Callable[..., Visit]:
    def open_frames(copies: int = 1, **options: object) -> Visit:
        words = [f"{way}, {step}" for way in AXES["way"] for step in AXES["step"]]
        frames = Frames(PICTURES, AXES, alt="Ten greys.", choose=["way"], captions=words)
        path = tmp_path / "frames.html"
        path.write_text(PAGE.format(frames._repr_html_() * copies), encoding="utf-8")
        return open_page(path.as_uri(), **options)

    return open_frames


def grey(visit: Visit, nth: int = 0) -> int:
    """The grey in the middle of the picture that is seen."""
    import io

    from PIL import Image

    picture = visit.page.locator("[role=img]").nth(nth)
    image = Image.open(io.BytesIO(picture.screenshot())).convert("L")
    value = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(value, int)
    return value


def test_every_place_shows_its_picture_and_its_words(shown: Callable[..., Visit]) -> None:
    visit = shown()
    slider, choice = visit.page.locator("input[type=range]"), visit.page.locator("select")
    for way, row in zip(AXES["way"], GREYS.reshape(2, 5), strict=True):
        choice.select_option(way)
        for place, (step, wanted) in enumerate(zip(AXES["step"], row, strict=True)):
            slider.fill(str(place))
            assert grey(visit) == pytest.approx(int(wanted), abs=1)
            assert visit.page.inner_text("output") == step
            assert visit.page.inner_text("[aria-live]") == f"{way}, {step}"
    visit.assert_clean()


def test_the_keyboard_moves_it(shown: Callable[..., Visit]) -> None:
    visit = shown()
    page = visit.page
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")  # the list of ways
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("[aria-live]") == "frozen, 50"
    assert page.locator("input").get_attribute("aria-valuetext") == "50"
    assert grey(visit) == pytest.approx(int(GREYS[8]), abs=1)


def test_two_copies_on_a_page_move_apart(shown: Callable[..., Visit]) -> None:
    visit = shown(copies=2)
    visit.page.locator("input").nth(1).fill("4")
    assert [grey(visit, 0), grey(visit, 1)] == pytest.approx([int(GREYS[0]), int(GREYS[4])], abs=1)


def test_a_phone_has_room_for_it(shown: Callable[..., Visit]) -> None:
    visit = shown(width=360)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
    box = visit.page.locator("[role=img]").bounding_box()
    assert box is not None
    assert box["width"] <= 328
    assert box["height"] == pytest.approx(box["width"] / 2, abs=1)
