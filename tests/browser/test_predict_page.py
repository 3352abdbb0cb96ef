"""Predictions in a browser, with no kernel: the veil, the guess in the figure; by mouse, keyboard and touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from visits import Visit, served

from tgan_lib.plots import use_style
from tgan_lib.widgets import inline
from tgan_lib.widgets.predict import predict, reveal

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Predictions</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>:root {{ color-scheme: light dark }} body {{ background: light-dark(#fdfdfb, #12171d); margin: 16px auto;
max-width: 720px; padding: 0 16px; font-family: sans-serif }}</style></head>
<body><main><h1>Predictions</h1>{}</main></body></html>"""
WAYS = ["scratch", "plain", "freezing"]


def outputs() -> str:
    """A slider, a choice and an order, each with its result."""
    with plt.rc_context():
        use_style()
        made = [predict("few", "Of six measures, how many prefer copies?", slider=(0, 6, 1))]
        figure, ax = plt.subplots(figsize=(6, 2.5))
        ax.barh(["copies", "honest"], [5, 1])
        ax.set_xlim(0, 6)
        made.append(
            reveal("few", figure, answer=5, alt="Two bars, of 5 and of 1.", caption="Five of six do.")
        )
        made.append(predict("best", "Which way ends nearest?", choice=WAYS))
        figure, ax = plt.subplots(figsize=(6, 2.5))
        ax.bar(WAYS, [9, 3, 2])
        made.append(reveal("best", figure, answer="freezing", alt="Three bars."))
        made.append(predict("ways", "In which order do they end?", order=WAYS, ends=("nearest", "farthest")))
        figure, ax = plt.subplots(figsize=(6, 2.5))
        ax.barh(WAYS, [9, 3, 2])
        made.append(reveal("ways", figure, answer=["freezing", "plain", "scratch"], alt="Three bars."))
    return "\n<p>Prose between cells.</p>\n".join(part._repr_html_() for part in made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """page.html as a notebook has it, site.html with its scripts in files."""
    made, body = tmp_path_factory.mktemp("predict"), outputs()
    (made / "page.html").write_text(PAGE.format(body), encoding="utf-8")
    (made / "site.html").write_text(PAGE.format(inline.linked(body, "outputs/")), encoding="utf-8")
    inline.write_site(made / "outputs")
    return made


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as url:
        yield url


@pytest.fixture
def opened(open_page: Callable[..., Visit], folder: Path) -> Callable[..., Visit]:
    def open_one(name: str = "page.html", **options: Any) -> Visit:
        return open_page((folder / name).as_uri(), **options)

    return open_one


def box(visit: Visit, kind: str, name: str) -> Any:
    return visit.page.locator(f'[data-{kind}="{name}"]')


def guess_six(visit: Visit) -> None:
    box(visit, "predict", "few").locator("input").fill("6")
    box(visit, "predict", "few").get_by_role("button", name="This is my guess").click()


@pytest.mark.parametrize("name", ["page.html", "site.html"])
def test_the_result_is_veiled_until_there_is_a_guess(opened: Callable[..., Visit], name: str) -> None:
    visit = opened(name)
    result = box(visit, "reveal", "few")
    assert not result.locator("svg").first.is_visible()
    assert not result.get_by_text("Five of six do.").is_visible()
    assert not result.get_by_text("It is 5.").is_visible()
    guess_six(visit)
    assert result.locator("svg").first.is_visible()
    assert result.locator("[role=status]").inner_text() == "You said 6; it is 5: 1 less than you thought."
    assert not result.get_by_text("It is 5.").is_visible()
    assert not box(visit, "reveal", "best").locator("svg").first.is_visible(), "each has its own veil"
    visit.assert_clean()


def middle(visit: Visit, locator: str) -> tuple[float, float]:
    seen = visit.page.locator(locator).bounding_box()
    return seen["x"] + seen["width"] / 2, seen["y"] + seen["height"] / 2


@pytest.mark.parametrize("width", [1280, 390])
def test_the_guess_is_drawn_where_its_value_is(opened: Callable[..., Visit], width: int) -> None:
    visit = opened(width=width, reduced_motion="reduce")
    for value in (0, 3, 6):
        box(visit, "predict", "few").locator("input").fill(str(value), force=True) if value == 0 else None
        if value:
            box(visit, "predict", "few").get_by_role("button", name="Change").click()
            box(visit, "predict", "few").locator("input").fill(str(value))
        box(visit, "predict", "few").get_by_role("button", name="This is my guess").click()
        # the tick's label stands under its value
        tick = visit.page.evaluate(
            """(value) => { const labels = [...document.querySelectorAll('[data-reveal="few"] svg text')];
            const label = labels.find((t) => t.textContent.trim() === value);
            const seen = label.getBoundingClientRect(); return seen.left + seen.width / 2; }""",
            str(value),
        )
        x, _ = middle(visit, '[data-reveal="few"] .tgan-guess line')
        assert x == pytest.approx(tick, abs=1.5)


def test_a_guess_is_kept_changed_and_forgotten(opened: Callable[..., Visit]) -> None:
    visit = opened()
    asked = box(visit, "predict", "few")
    guess_six(visit)
    visit.page.reload()
    assert asked.locator(".tgan-mine").inner_text() == "6"
    assert box(visit, "reveal", "few").locator("svg").first.is_visible()
    asked.get_by_role("button", name="Change").click()
    asked.locator("input").fill("5")
    asked.get_by_role("button", name="This is my guess").click()
    assert box(visit, "reveal", "few").locator("[role=status]").inner_text() == "You said 5, and so it is."
    asked.get_by_role("button", name="Forget").click()
    assert not box(visit, "reveal", "few").locator("svg").first.is_visible()
    visit.page.reload()
    assert asked.get_by_role("button", name="This is my guess").is_visible()


def test_it_works_where_storage_is_refused(open_page: Callable[..., Visit], folder: Path) -> None:
    visit = open_page((folder / "page.html").as_uri())
    visit.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    visit.page.reload()
    guess_six(visit)
    assert box(visit, "reveal", "few").locator("svg").first.is_visible()
    visit.assert_clean()


def test_show_it_anyway_and_the_way_back(opened: Callable[..., Visit]) -> None:
    visit = opened(reduced_motion="reduce")
    result = box(visit, "reveal", "best")
    result.get_by_role("button", name="Make your guess first").click()
    assert visit.page.evaluate("document.activeElement.closest('[data-predict]').dataset.predict") == "best"
    result.get_by_role("button", name="Show it anyway").click()
    assert result.locator("svg").first.is_visible()
    assert result.get_by_text("It is freezing.").is_visible()
    assert result.locator(".tgan-guess").count() == 0
    assert visit.page.evaluate("document.activeElement.dataset.reveal") == "best"


def test_a_choice_by_keyboard_alone(opened: Callable[..., Visit]) -> None:
    visit = opened(reduced_motion="reduce")
    asked, keys = box(visit, "predict", "best"), visit.page.keyboard
    asked.get_by_role("button", name="This is my guess").focus()
    keys.press("Enter")
    assert asked.get_by_role("alert").inner_text() == "Choose one of these first."
    keys.press("Space")
    keys.press("ArrowDown")
    keys.press("Enter")
    assert asked.locator(".tgan-mine").inner_text() == "plain"
    keys.press("Enter")  # the focus is on "See the result"
    result = box(visit, "reveal", "best")
    assert visit.page.evaluate("document.activeElement.dataset.reveal") == "best"
    assert result.locator("[role=status]").inner_text() == "You said plain; it is freezing."
    assert result.locator(".tgan-guess rect").count() == 2
    assert result.locator(".tgan-guess text").all_text_contents() == ["found", "your guess"]


def test_an_order_by_keyboard_alone(opened: Callable[..., Visit]) -> None:
    visit = opened()
    asked, keys = box(visit, "predict", "ways"), visit.page.keyboard
    asked.get_by_role("button", name="Move freezing up").focus()
    keys.press("Enter")
    assert asked.get_by_role("status").inner_text() == "freezing: place 2 of 3"
    keys.press("ArrowUp")
    assert visit.page.evaluate("document.activeElement.ariaLabel") == "Move freezing down", (
        "at the top: no way up"
    )
    asked.get_by_role("button", name="This is my guess").press("Enter")
    assert asked.locator(".tgan-mine li").all_inner_texts() == ["freezing", "scratch", "plain"]
    said = box(visit, "reveal", "ways").locator("[role=status]").inner_text()
    assert said == "Your order has 1 of 3 in place; of the 3 pairs, 2 are the right way round."
    assert box(visit, "reveal", "ways").locator(".tgan-guess circle").count() == 3
    assert box(visit, "reveal", "ways").locator(".tgan-slope line.tgan-right").count() == 1


@pytest.mark.parametrize("touch", [False, True])
def test_an_order_is_dragged(opened: Callable[..., Visit], touch: bool) -> None:
    visit = opened(width=390 if touch else 1280, has_touch=touch)
    items = box(visit, "predict", "ways").locator("li")
    items.first.scroll_into_view_if_needed()
    start, end = items.nth(0).locator(".tgan-grip").bounding_box(), items.nth(2).bounding_box()
    x, y = start["x"] + 20, start["y"] + 20
    to = end["y"] + end["height"] - 4
    if touch:
        session = visit.page.context.new_cdp_session(visit.page)
        for kind, at in [("touchStart", y), *(("touchMove", y + (to - y) * i / 8) for i in range(1, 9))]:
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": at}]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        visit.page.mouse.move(x, y)
        visit.page.mouse.down()
        visit.page.mouse.move(x, to, steps=8)
        visit.page.mouse.up()
    assert [item.get_attribute("data-value") for item in items.all()] == ["plain", "freezing", "scratch"]
    assert all(item.evaluate("(node) => node.style.transform") == "" for item in items.all())


def test_without_scripts_and_in_print(opened: Callable[..., Visit]) -> None:
    visit = opened(java_script_enabled=False)
    assert (
        visit.page.locator(".tgan-question").all_inner_texts()[0]
        == "Of six measures, how many prefer copies?"
    )
    assert all(svg.is_visible() for svg in visit.page.locator(".tgan-shown svg").all())
    assert visit.page.get_by_text("It is 5.").is_visible()
    printed = opened()
    printed.page.emulate_media(media="print")
    assert all(svg.is_visible() for svg in printed.page.locator(".tgan-shown > svg").all())
    assert printed.page.get_by_text("It is freezing.").is_visible()
    assert printed.page.get_by_text("Which way ends nearest?").first.is_visible()
    assert not printed.page.get_by_text("behind this veil").first.is_visible()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_axe_finds_nothing_and_fingers_find_all(opened: Callable[..., Visit], width: int, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    visit = opened(width=width, dark=dark, reduced_motion="reduce")
    assert Axe().run(visit.page).response["violations"] == []
    guess_six(visit)
    asked = box(visit, "predict", "best")
    asked.get_by_text("plain").click()
    asked.get_by_role("button", name="This is my guess").click()
    box(visit, "predict", "ways").get_by_role("button", name="This is my guess").click()
    assert Axe().run(visit.page).response["violations"] == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = visit.page.evaluate(
        """[...document.querySelectorAll('.tgan-box :is(button, label, input[type=range])')]
        .filter((n) => n.offsetParent).map((n) => Math.min(n.offsetWidth, n.offsetHeight))"""
    )
    assert min(sizes) >= 44
    text = visit.page.evaluate(
        """Math.min(...[...document.querySelectorAll('.tgan-shown text')].filter((n) => n.textContent.trim())
        .map((n) => parseFloat(getComputedStyle(n).fontSize) * n.getScreenCTM().a))"""
    )
    assert text >= 11.5


@pytest.mark.parametrize("width", [1280, 390])
def test_what_was_found_and_what_was_guessed_do_not_stand_on_each_other(
    opened: Callable[..., Visit], width: int
) -> None:
    visit = opened(width=width, reduced_motion="reduce")
    asked = box(visit, "predict", "best")
    for item in set(WAYS) - {"freezing"}:
        if asked.get_by_role("button", name="Change").is_visible():
            asked.get_by_role("button", name="Change").click()
        asked.get_by_label(item, exact=True).check()
        asked.get_by_role("button", name="This is my guess").click()
        found, mine = visit.page.eval_on_selector_all(
            '[data-reveal="best"] .tgan-guess text', "all => all.map(t => t.getBoundingClientRect().toJSON())"
        )
        apart = found["right"] <= mine["left"] or mine["right"] <= found["left"]
        assert apart or abs(found["top"] - mine["top"]) >= 10, item
    drawn = visit.page.locator('[data-reveal="best"] svg').bounding_box()
    assert drawn["width"] <= 1.3 * 6.2 * 96 + 2  # no larger than figures are elsewhere


SITE_LIKE = """<section><h2>Part</h2><div class="cell">{0}</div><div class="cell">{1}</div><p id="said">It is five.</p>
<div class="cell"><p id="table">5</p></div><div class="exercise admonition" id="task">Do it.</div><p>More.</p></section>
<section><h2 id="next">Next</h2></section>"""


def test_what_is_said_of_it_waits_too(open_page: Callable[..., Visit], tmp_path: Path) -> None:
    with plt.rc_context():
        use_style()
        asked = predict("few", "How many?", slider=(0, 6, 1))
        figure, _ = plt.subplots(figsize=(6, 2.5))
        shown = reveal("few", figure, answer=1, alt="Empty axes.")
    body = SITE_LIKE.format(asked._repr_html_(), shown._repr_html_())
    (tmp_path / "page.html").write_text(PAGE.format(body), encoding="utf-8")
    visit = open_page((tmp_path / "page.html").as_uri(), reduced_motion="reduce")
    for name, there in {"said": False, "table": False, "task": True, "next": True}.items():
        assert visit.page.locator(f"#{name}").is_visible() is there, name
    assert "what is said of it" in visit.page.locator(".tgan-cover").inner_text()
    box(visit, "predict", "few").get_by_role("button", name="This is my guess").click()
    assert visit.page.locator("#table").is_visible()
    box(visit, "predict", "few").get_by_role("button", name="Forget").click()
    assert not visit.page.locator("#said").is_visible()
    visit.page.emulate_media(media="print")
    assert visit.page.locator("#said").is_visible()


def test_the_verdict_stands_above_a_far_result(open_page: Callable[..., Visit], folder: Path) -> None:
    text = (folder / "page.html").read_text(encoding="utf-8")
    (folder / "far.html").write_text(
        text.replace("<p>Prose", '<p style="height: 3000px">Prose', 1), encoding="utf-8"
    )
    visit = open_page((folder / "far.html").as_uri(), reduced_motion="reduce")
    asked = box(visit, "predict", "few")
    asked.locator("input").fill("5")
    asked.get_by_role("button", name="This is my guess").click()
    asked.get_by_role("button", name="See the result, further on in this chapter").click()
    result = box(visit, "reveal", "few")
    assert result.locator("[role=status]").bounding_box()["y"] < result.locator("svg").bounding_box()["y"]
    result.get_by_role("button", name="Back to the question").click()
    assert visit.page.evaluate("() => document.activeElement.closest('.tgan-predict') !== null")
