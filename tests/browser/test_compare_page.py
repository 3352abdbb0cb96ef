"""The instrument for comparisons in a browser, with no kernel: by mouse and keyboard, on a phone, from a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from visits import Visit

from tgan_lib.widgets.compare import Compare

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Comparison</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>:root {{ color-scheme: light dark }} body {{ background: light-dark(#fdfdfb, #12171d); margin: 16px auto;
max-width: 720px; padding: 0 16px; font-family: sans-serif }}</style></head>
<body><main><h1>Comparison</h1>{}</main></body></html>"""
WAYS = ["plain", "frozen", "mined", "augmented"]
DISTANCE = np.array(
    [[[90, 100], [20, 22]], [[60, 64], [30, 34]], [[200, 210], [150, 160]], [[30, 36], [20, 26]]]
)
RECALL = np.array([[0.1, 0.6], [0.2, 0.5], [0.3, 0.35], [0.5, 0.62]])
GREYS = (np.arange(8) * 30).reshape(4, 2).astype(np.uint8)
SAMPLES = np.broadcast_to(GREYS[..., None, None], (4, 2, 20, 20)).copy()


@pytest.fixture
def opened(open_page: Callable[..., Visit], tmp_path: Path) -> Callable[..., Visit]:
    def open_one(fit: bool = False, **options: Any) -> Visit:
        chart = Compare(
            {"way": WAYS, "images": ["10", "100"]},
            {"distance": DISTANCE, "recall": RECALL, "copies": RECALL / 4},
            alt="Four ways by distance and recall.",
            better={"distance": "less", "recall": "more"},
            log=["distance"],
            samples=SAMPLES,
            chosen=["plain", "augmented"],
            fit=fit,
        )
        path = tmp_path / "compare.html"
        path.write_text(PAGE.format(chart._repr_html_()), encoding="utf-8")
        return open_page(path.as_uri(), **options)

    return open_one


def place(visit: Visit, way: str) -> tuple[float, float]:
    """The middle of a dot, from the plane's corner."""
    x, y = visit.page.evaluate(
        """(way) => { const dots = [...document.querySelectorAll('.tgan-method')];
        const dot = dots.find((d) => d.ariaLabel.startsWith(way));
        const a = dot.querySelector('.tgan-point').getBoundingClientRect(), b = dot.parentNode.getBoundingClientRect();
        return [a.left + a.width / 2 - b.left, a.top + a.height / 2 - b.top]; }""",
        way,
    )
    return x, y


def greys(visit: Visit) -> list[int]:
    """The grey of each of the two pictures."""
    seen = visit.page.locator(".tgan-picture").all()
    images = [Image.open(io.BytesIO(one.screenshot())).convert("L") for one in seen]
    return [int(np.asarray(image)[image.height // 2, image.width // 2]) for image in images]


def test_dots_stand_at_their_values_and_glide(opened: Callable[..., Visit]) -> None:
    visit = opened()
    before = {way: place(visit, way) for way in WAYS}
    by_x = sorted(WAYS, key=lambda way: before[way][0])
    assert by_x == ["augmented", "frozen", "plain", "mined"], "by distance with 10 images"
    assert sorted(WAYS, key=lambda way: -before[way][1]) == WAYS, "by recall, upwards"
    # on a logarithmic axis equal factors are equal lengths
    logs = np.log([DISTANCE[WAYS.index(way), 0].mean() for way in by_x])
    slopes = np.diff([before[way][0] for way in by_x]) / np.diff(logs)
    np.testing.assert_allclose(slopes, slopes[0], rtol=0.02)
    visit.page.get_by_label("100", exact=True).check()
    visit.page.wait_for_timeout(120)
    between = place(visit, "plain")
    visit.page.wait_for_timeout(1200)
    after = place(visit, "plain")
    assert after[0] < between[0] < before["plain"][0], "it glides"
    assert after[1] < before["plain"][1]
    visit.assert_clean()


def test_it_jumps_where_motion_is_unwelcome(opened: Callable[..., Visit]) -> None:
    visit = opened(reduced_motion="reduce")
    visit.page.get_by_label("100", exact=True).check()
    first = place(visit, "plain")
    visit.page.wait_for_timeout(300)
    assert place(visit, "plain") == first


def test_a_dot_says_what_it_is(opened: Callable[..., Visit]) -> None:
    visit = opened()
    said = "frozen: distance 62 (60 to 64), recall 0.20, copies 0.05"
    dot = visit.page.get_by_role("button", name="frozen")
    assert dot.get_attribute("aria-label") == said
    dot.hover()
    assert visit.page.inner_text(".tgan-told") == f"{said}."


def test_two_are_chosen_by_mouse_by_keyboard_and_from_lists(opened: Callable[..., Visit]) -> None:
    visit = opened(reduced_motion="reduce")
    page = visit.page
    assert greys(visit) == [0, 180]
    page.get_by_role("button", name="mined").click()
    assert greys(visit) == [120, 180]
    page.get_by_role("button", name="augmented").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.ariaLabel").startswith("frozen")
    page.keyboard.press("Enter")
    assert greys(visit) == [120, 60]
    assert page.get_by_role("button", name="frozen").get_attribute("aria-pressed") == "true"
    page.get_by_label("first").select_option("augmented")
    page.get_by_label("100", exact=True).check()
    assert greys(visit) == [210, 90]
    # ahead only where no run of the one is behind any of the other: 20 to 26 against 30 to 34
    assert page.locator(".tgan-side").first.locator(".tgan-ahead").all_inner_texts() == ["23 ✓", "0.62 ✓"]
    assert page.locator(".tgan-side").nth(1).locator(".tgan-ahead").count() == 0


def test_axes_and_table_follow(opened: Callable[..., Visit]) -> None:
    visit = opened(reduced_motion="reduce")
    page = visit.page
    page.get_by_label("upwards").select_option("copies")
    assert page.locator(".tgan-title").all_text_contents() == ["distance (← better)", "copies"]
    spread = place(visit, "mined")[0] - place(visit, "augmented")[0]
    page.get_by_label("100", exact=True).check()
    page.get_by_label("axes fit these dots alone").check()
    assert place(visit, "mined")[0] - place(visit, "augmented")[0] > spread
    page.get_by_text("The same as a table").click()
    assert page.locator("table caption").inner_text() == "images 100: mean (lowest to highest)"
    assert page.locator("tbody tr").first.all_inner_texts() == ["plain\t21 (20 to 22)\t0.60\t0.15"]


def test_the_axes_can_fit_from_the_start(opened: Callable[..., Visit]) -> None:
    wide, fitted = (opened(fit=fit, reduced_motion="reduce") for fit in (False, True))
    for visit in (wide, fitted):
        visit.page.get_by_label("100", exact=True).check()
    assert fitted.page.get_by_label("axes fit these dots alone").is_checked()
    spreads = [place(visit, "mined")[0] - place(visit, "augmented")[0] for visit in (wide, fitted)]
    assert spreads[1] > 1.1 * spreads[0]
    fitted.page.get_by_label("axes fit these dots alone").uncheck()
    assert place(fitted, "mined") == place(wide, "mined")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_axe_finds_nothing_and_fingers_find_all(opened: Callable[..., Visit], width: int, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(width=width, dark=dark).page
    page.get_by_text("The same as a table").click()
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        """[...document.querySelectorAll('.tgan-box :is(button, select, label, summary, .tgan-hit)')]
        .map((n) => n.getBoundingClientRect()).map((b) => Math.min(b.width, b.height))"""
    )
    assert min(sizes) >= 43.9


def test_without_scripts_there_are_tables(opened: Callable[..., Visit]) -> None:
    page = opened(java_script_enabled=False).page
    assert page.get_by_text("images 10: mean").is_visible()
    assert page.locator("table").first.is_visible()
    assert page.get_by_alt_text("Samples of augmented, images 10").is_visible()
