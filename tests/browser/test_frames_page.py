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
        frames = Frames(
            PICTURES,
            AXES,
            alt="Ten greys.",
            choose=["way"],
            captions=words,
            curve={"grey": GREYS.reshape(2, 5)},
        )
        path = tmp_path / "frames.html"
        path.write_text(PAGE.format(frames._repr_html_() * copies), encoding="utf-8")
        return open_page(path.as_uri(), **options)

    return open_frames


def grey(visit: Visit, nth: int = 0) -> int:
    """The grey in the middle of the picture that is seen."""
    import io

    from PIL import Image

    picture = visit.page.locator("[role=img]:visible").nth(nth)
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
            assert visit.page.inner_text(".tgan-long b") == step
            assert visit.page.inner_text("[aria-live]") == f"{way}, {step}"
    visit.assert_clean()


def test_the_keyboard_moves_it(shown: Callable[..., Visit]) -> None:
    visit = shown()
    page = visit.page
    page.locator("select").focus()
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
    box = visit.page.locator("[role=img]:visible").bounding_box()
    assert box is not None
    assert box["width"] <= 328
    assert box["height"] == pytest.approx(box["width"] / 2, abs=1)


def test_it_plays_until_it_is_stopped(shown: Callable[..., Visit]) -> None:
    page = shown().page
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('input').value === '2'")
    page.get_by_role("button", name="Pause").click()
    place = page.locator("input").input_value()
    page.wait_for_timeout(1200)
    assert page.locator("input").input_value() == place
    assert page.locator("[aria-live=polite]").inner_text() == f"plain, {AXES['step'][int(place)]}"


def test_one_picture_is_kept_beside_the_other(shown: Callable[..., Visit]) -> None:
    visit = shown()
    page = visit.page
    page.locator("input").fill("3")
    page.get_by_role("button", name="Keep to compare").click()
    page.locator("select").select_option("frozen")
    assert [grey(visit, 0), grey(visit, 1)] == pytest.approx([int(GREYS[3]), int(GREYS[8])], abs=1)
    assert page.get_by_text("Kept: plain, 50").is_visible()
    assert page.locator(".tgan-curve circle.tgan-then").count() == 1
    page.get_by_role("button", name="Let go").click()
    assert page.locator("[role=img]:visible").count() == 1
    assert page.evaluate("document.activeElement.textContent") == "Keep to compare"


def test_the_curve_marks_the_place_and_takes_a_click(shown: Callable[..., Visit]) -> None:
    page = shown().page
    assert page.inner_text(".tgan-curve b") == "0"
    svg = page.locator(".tgan-curve svg")
    box = svg.bounding_box()
    assert box is not None
    svg.click(position={"x": box["width"] - 10, "y": 40})
    assert page.locator("input").input_value() == "4"
    assert page.inner_text(".tgan-curve b") == "100"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_axe_finds_nothing_and_fingers_find_all(shown: Callable[..., Visit], width: int, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = shown(width=width, dark=dark).page
    page.get_by_role("button", name="Keep to compare").click()
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        """[...document.querySelectorAll('button, select, input')].filter((n) => n.offsetParent)
        .map((n) => Math.min(n.offsetWidth, n.offsetHeight))"""
    )
    assert min(sizes) >= 44


def test_without_scripts_the_first_picture_is_seen(shown: Callable[..., Visit]) -> None:
    visit = shown(java_script_enabled=False)
    assert grey(visit) == pytest.approx(int(GREYS[0]), abs=1)
    assert visit.page.get_by_text("plain, 0").is_visible()
