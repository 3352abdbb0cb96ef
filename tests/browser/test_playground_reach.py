"""The playground for everyone: moving unasked or not, on small screens, by keyboard, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playground_site import PLANE, button, steps, wait_for_step
from visits import Visit

pytestmark = pytest.mark.browser

SCREENS = [(390, 844), (1280, 720)] + [
    pytest.param(size, marks=pytest.mark.slow) for size in ((390, 664), (640, 450), (844, 390))
]


def test_three_seconds_by_itself_when_it_comes_into_view(play: Callable[..., Visit]) -> None:
    page = (visit := play(page="folded", reduced_motion="no-preference", rested=False)).page
    assert page.get_attribute("[role=status]", "aria-live") == "off", "nobody asked for it"
    button(page, "Pause").wait_for()
    began = page.evaluate("performance.now()")
    button(page, "Run").wait_for()
    assert page.evaluate("performance.now()") - began < 4500
    rested = steps(page)
    assert rested > 5
    assert page.text_content("[role=status]").startswith("Ran for three seconds; press Run to go on.")
    state, run = page.locator(".tgp-say").bounding_box(), button(page, "Run").bounding_box()
    assert 0 <= state["y"] - run["y"] - run["height"] < 12, "beside the buttons"
    assert state["height"] < 40, "what only the ear needs takes no room"
    page.wait_for_timeout(500)
    assert steps(page) == rested
    page.mouse.wheel(0, 3000)
    page.wait_for_timeout(200)
    page.mouse.wheel(0, -3000)
    page.wait_for_timeout(500)
    assert steps(page) == rested, "once"
    button(page, "Run").click()
    assert page.get_attribute("[role=status]", "aria-live") == "polite"
    page.wait_for_timeout(4000)
    assert button(page, "Pause").is_visible(), "when asked for it does not stop by itself"
    visit.assert_clean()


@pytest.mark.slow  # on a busy machine its three seconds are over before the page is scrolled
def test_it_waits_for_most_of_the_picture_and_is_seen_to_its_end(play: Callable[..., Visit]) -> None:
    page = play(page="folded", reduced_motion="no-preference", rested=False, width=390).page
    page.add_style_tag(content="h1 { height: 2000px }")
    button(page, "Run").wait_for(state="attached")  # it had begun, and is out of sight now

    def show(part: float) -> None:
        page.evaluate(
            """part => {
                const box = document.querySelector('.tgp-plane').getBoundingClientRect();
                scrollTo({ top: scrollY + box.top + part * box.height - innerHeight, behavior: 'instant' });
            }""",
            part,
        )

    show(0.5)
    before = steps(page)
    page.wait_for_timeout(300)
    assert steps(page) == before, "half of it is not enough"
    show(0.7)
    wait_for_step(page, before + 1)  # at once: its three seconds must not be over on a slow machine
    show(0.4)
    button(page, "Run").wait_for(state="attached")
    left = steps(page)
    show(0.8)
    wait_for_step(page, left + 1)
    page.wait_for_function("document.querySelector('.tgp-say').textContent.startsWith('Ran for three')")


def test_the_push_is_told_where_it_is_the_point(play: Callable[..., Visit]) -> None:
    page = play(page="folded").page
    more = page.get_by_role("button", name="Controls")
    assert page.locator(".tgp-push").is_hidden()
    more.click()
    assert page.locator(".tgp-push").is_visible()
    page.get_by_label("What to watch").select_option("saturation")
    more.click()
    assert page.locator(".tgp-push").is_visible()


def test_modes_are_said_to_be_reached_and_what_that_takes(play: Callable[..., Visit]) -> None:
    label = play(page="folded").page.locator(".tgp-label", has_text="modes reached")
    assert "one good sample" in (label.locator("..").get_attribute("title") or "")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_on_a_phone_the_controls_come_into_view_under_the_pinned_picture(
    play: Callable[..., Visit], motion: str
) -> None:
    page = play(page="folded", width=390, reduced_motion=motion, rested=False).page
    page.evaluate("""() => {
        const own = Element.prototype.scrollIntoView;
        window.ways = [];
        Element.prototype.scrollIntoView = function (how) { ways.push(how.behavior); own.call(this, how); };
    }""")
    more, stage = page.get_by_role("button", name="Controls"), page.locator(".tgp-stage")
    held = "e => getComputedStyle(e).position"
    assert stage.evaluate(held) == "static", "while one reads it scrolls away"
    more.click()
    page.wait_for_function("document.querySelector('.tgp-pinned')")
    page.wait_for_timeout(800)
    assert page.evaluate("ways") == ["instant" if motion == "reduce" else "smooth"]
    watch, picture = page.get_by_label("What to watch").bounding_box(), stage.bounding_box()
    assert picture["y"] >= 0
    assert 0 < watch["y"] - picture["y"] - picture["height"] < 60
    assert stage.evaluate("e => getComputedStyle(e).boxShadow") != "none"
    assert stage.evaluate("e => getComputedStyle(e).backgroundColor") not in (
        "transparent",
        "rgba(0, 0, 0, 0)",
    )
    more.click()
    page.wait_for_timeout(800)
    assert stage.evaluate(held) == "static"
    assert stage.bounding_box()["y"] >= 0, "the picture is still there once they are closed"


def test_nothing_moves_by_itself_where_motion_is_unwelcome(play: Callable[..., Visit]) -> None:
    page = play(page="folded").page
    page.wait_for_timeout(700)
    assert steps(page) == 0


def test_the_controls_wait_behind_a_button(play: Callable[..., Visit]) -> None:
    page = (visit := play(page="folded")).page
    more = page.get_by_role("button", name="Controls")
    assert more.get_attribute("aria-expanded") == "false"
    assert [b.inner_text() for b in page.get_by_role("button").all()] == ["Run", "Controls"]
    assert page.get_by_role("combobox").count() == 0
    more.focus()
    page.keyboard.press("Enter")
    assert more.get_attribute("aria-expanded") == "true"
    assert page.locator(f"#{more.get_attribute('aria-controls')}").is_visible()
    assert page.get_by_role("combobox").count() == 11
    page.keyboard.press("Enter")
    assert page.get_by_role("combobox").count() == 0
    visit.assert_clean()


@pytest.mark.parametrize("size", SCREENS, ids=str)
def test_the_picture_is_in_view_at_every_control(play: Callable[..., Visit], size: tuple[int, int]) -> None:
    page = play(width=size[0]).page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for node in page.locator(".tgp :is(button, select, input)").all():
        for block in ("end", "center"):
            node.evaluate("(e, block) => e.scrollIntoView({ block, behavior: 'instant' })", block)
            page.wait_for_timeout(30)
            plane, box = page.locator(".tgp-plane").bounding_box(), node.bounding_box()
            name = node.evaluate("e => e.labels?.[0]?.textContent || e.textContent")
            top, bottom = max(0, plane["y"]), min(size[1], plane["y"] + plane["height"])
            part = (bottom - top) / plane["height"]
            assert part > (0.99 if block == "end" else 0.6), (name, block)
            assert plane["width"] >= 150
            covered = node.evaluate(
                """e => { const b = e.getBoundingClientRect();
                          return !e.contains(document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2)); }"""
            )
            assert not covered, (name, block, box)


def test_where_motion_is_unwelcome_pictures_are_few(play: Callable[..., Visit]) -> None:
    page = play(reduced_motion="reduce").page
    button(page, "Run").click()
    page.wait_for_timeout(200)
    seen = page.evaluate(
        f"""() => new Promise(done => {{
            const seen = new Set(), began = performance.now();
            const look = () => {{
                seen.add({PLANE});
                if (performance.now() - began < 1500) requestAnimationFrame(look); else done(seen.size);
            }};
            look();
        }})"""
    )
    assert seen <= 3


def test_it_pauses_out_of_sight_and_follows_the_theme(play: Callable[..., Visit]) -> None:
    page = play(reduced_motion="no-preference").page
    light = page.evaluate(PLANE)
    page.emulate_media(color_scheme="dark", reduced_motion="no-preference")
    page.wait_for_function(f"light => {PLANE} !== light", arg=light)
    button(page, "Run").click()
    page.evaluate("document.querySelector('main').style.paddingTop = '5000px'")
    page.get_by_role("button", name="Run", exact=True).wait_for(state="attached")


def test_a_phone_has_room_for_fingers(play: Callable[..., Visit]) -> None:
    page = (visit := play(width=390, has_touch=True, is_mobile=True)).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.eval_on_selector_all(
        ".tgp button, .tgp select, .tgp input[type=number], .tgp-check",
        """all => all.map(e => [e.textContent || e.id, e.getBoundingClientRect()])
                   .filter(([, box]) => box.width < 44 || box.height < 44).map(([name]) => name)""",
    )
    assert small == []
    button(page, "Step").tap()
    assert steps(page) == 1
    visit.assert_clean()


@pytest.mark.parametrize(
    ("dark", "width"),
    [
        (False, 1280),
        (True, 390),
        *(pytest.param(dark, width, marks=pytest.mark.slow) for dark, width in ((True, 1280), (False, 390))),
    ],
)
def test_axe_finds_nothing(play: Callable[..., Visit], dark: bool, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    visit = play(dark=dark, width=width)
    button(visit.page, "Step").click()
    report = Axe().run(visit.page).response
    assert [f"{v['id']}: {[n['html'][:120] for n in v['nodes']]}" for v in report["violations"]] == []


def test_without_scripts_there_are_a_picture_and_words(
    open_page: Callable[..., Visit], playground_site: Path
) -> None:
    visit = open_page((playground_site / "index.html").as_uri(), java_script_enabled=False)
    assert visit.page.get_by_text("two small networks").is_visible()
    assert visit.page.locator("figcaption").is_visible()
    picture = visit.page.locator("figure img")
    assert "Eight heaps of real points" in picture.get_attribute("alt")
    assert picture.evaluate("e => e.complete && e.naturalWidth") > 0
    visit.assert_clean()
