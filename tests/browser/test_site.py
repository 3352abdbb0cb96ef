"""The built site as a reader meets it: every page, over http and from a folder, wide, narrow, light, dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml
from visits import ROOT, Visit

pytestmark = pytest.mark.browser

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
ENTRIES = [entry for part in TOC["parts"] for entry in part["chapters"]]
PAGES = [TOC["root"], *(page["file"] for entry in ENTRIES for page in (entry, *entry.get("sections", [])))]
# What takes longest runs on two pages in `make test`, what takes seconds on a page of each shape; all of it on all
# pages in `make test-all`.
SHAPES = {
    "book/index",
    "book/loss/03_image_gans",
}
SOME = SHAPES | {
    "book/reference/glossary",
    "book/reference/api_data",
    "book/start/how_to_use",
    "book/finetuning/16_face_off",
}
SOME_AND_SLOW = [
    pytest.param(page, marks=() if page in SOME else pytest.mark.slow, id=page) for page in PAGES
]
SHAPES_AND_SLOW = [
    pytest.param(page, marks=() if page in SHAPES else pytest.mark.slow, id=page) for page in PAGES
]
PHONE = 390  # CSS pixels
GRAVE = ("serious", "critical")


def settle(visit: Visit) -> None:
    """Waits until formulas are set and the page has come to rest."""
    visit.page.wait_for_function("!window.MathJax || (MathJax.startup && MathJax.startup.promise)")
    visit.page.evaluate("async () => { await window.MathJax?.startup.promise; await document.fonts.ready }")


def scroll_through(visit: Visit) -> None:
    """Brings every part of the page into view once, since some parts load only then."""
    visit.page.evaluate(
        """async () => {
            for (let y = 0; y < document.scrollingElement.scrollHeight; y += innerHeight / 2) {
                scrollTo({ top: y, behavior: "instant" });
                await new Promise(requestAnimationFrame);
            }
            scrollTo({ top: 0, behavior: "instant" });
        }"""
    )


def findings(visit: Visit, contrast: bool) -> list[str]:
    """What axe-core finds serious or critical, one line for each element: with its contrast rule, or without."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": contrast}}}
    report = Axe().run(visit.page, options=options).response
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} | {node['failureSummary'][:300]}"
        for rule in report["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


def open_folds(visit: Visit) -> None:
    visit.page.eval_on_selector_all("details", "all => all.forEach(d => { d.open = true })")


def assert_keeps_to_itself(visit: Visit) -> None:
    visit.page.wait_for_load_state("networkidle")
    visit.assert_clean()
    formulas = visit.page.locator(".math").count()
    assert visit.page.locator(".math mjx-container").count() == formulas, "a formula was not set"
    assert visit.page.locator("mjx-merror").count() == 0, visit.page.locator("mjx-merror").all_inner_texts()
    # A missing picture is an error above; a picture of no size is not.
    empty = "imgs => imgs.filter(i => i.complete && !i.naturalWidth && i.loading !== 'lazy').map(i => i.src)"
    assert visit.page.eval_on_selector_all("img", empty) == []


@pytest.fixture(scope="module", params=SOME_AND_SLOW)
def visit(
    request: pytest.FixtureRequest, open_once: Callable[..., AbstractContextManager[Visit]], site: Path
) -> Iterator[Visit]:
    """Each page as a folder on a disk shows it, which allows less than a server does; seen to its end."""
    with open_once(f"{site.as_uri()}/{request.param}.html", reduced_motion="reduce") as opened:
        settle(opened)
        scroll_through(opened)
        yield opened


def test_page_keeps_to_itself(visit: Visit) -> None:
    assert_keeps_to_itself(visit)


def test_page_is_accessible(visit: Visit) -> None:
    """axe-core on the page with every fold opened, but for its contrast rule, which takes longer than the others."""
    open_folds(visit)
    assert findings(visit, contrast=False) == []


def test_page_fits_a_phone(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": PHONE, "height": 900})
    open_folds(visit)
    wide = visit.page.evaluate(
        """limit => [...document.querySelectorAll('main *')]
           .filter(e => e.getBoundingClientRect().right > limit + 1).slice(0, 5)
           .map(e => e.tagName + '.' + e.className)""",
        PHONE,
    )
    assert visit.page.evaluate("document.scrollingElement.scrollWidth") <= PHONE, f"too wide, perhaps: {wide}"


@pytest.mark.parametrize("page", SHAPES_AND_SLOW)
def test_page_keeps_to_itself_on_a_server(open_page: Callable[..., Visit], site_url: str, page: str) -> None:
    visit = open_page(f"{site_url}/{page}.html")
    settle(visit)
    scroll_through(visit)
    assert_keeps_to_itself(visit)


@pytest.mark.parametrize("page", SHAPES_AND_SLOW)
@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_page_has_contrast(open_page: Callable[..., Visit], site_url: str, page: str, theme: str) -> None:
    """axe-core with all its rules on the page as it opens in each theme."""
    visit = open_page(f"{site_url}/{page}.html", dark=theme == "dark", reduced_motion="reduce")
    settle(visit)
    assert visit.page.get_attribute("html", "data-theme") == theme
    open_folds(visit)
    scroll_through(visit)
    visit.page.wait_for_timeout(200)
    assert findings(visit, contrast=True) == []


def test_the_shapes_are_pages() -> None:
    assert set(PAGES) >= SOME


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_chapters_explorer_moves_with_no_kernel(
    open_page: Callable[..., Visit], site: Path, site_url: str, scheme: str
) -> None:
    base = site_url if scheme == "http" else site.as_uri()
    visit = open_page(f"{base}/book/loss/03_image_gans.html", width=PHONE)
    visit.page.locator(".tgan-explorer").scroll_into_view_if_needed()
    visit.page.wait_for_selector(".tgx[data-ready]")
    picture = "document.querySelector('.tgx canvas[role=img]').toDataURL()"
    before = visit.page.evaluate(picture)
    visit.page.get_by_role("slider", name="glasses").focus()
    for _ in range(20):
        visit.page.keyboard.press("ArrowRight")
    visit.page.wait_for_function(f"before => {picture} !== before", arg=before)
    visit.assert_clean()


def test_phone_accessible_with_its_menu_open(open_page: Callable[..., Visit], site_url: str) -> None:
    visit = open_page(f"{site_url}/{PAGES[0]}.html", width=PHONE, reduced_motion="reduce")
    settle(visit)
    visit.page.locator(".bd-header-article .primary-toggle").click()
    visit.page.wait_for_timeout(500)
    assert visit.page.locator(".bd-sidebar-primary").is_visible()
    assert findings(visit, contrast=True) == []


def test_theme_button_changes_the_theme(open_page: Callable[..., Visit], site_url: str) -> None:
    visit = open_page(f"{site_url}/{PAGES[0]}.html")
    seen = set()
    for _ in range(3):
        visit.page.locator("button.theme-switch-button").first.click()
        seen.add(visit.page.get_attribute("html", "data-theme"))
    assert seen == {"light", "dark"}
    visit.assert_clean()


def test_search_finds_a_word_offline(open_page: Callable[..., Visit], site_url: str) -> None:
    visit = open_page(f"{site_url}/search.html?q=generator")
    summary = visit.page.locator("#search-results .search-summary", has_text=re.compile(r"found \d+ page"))
    summary.wait_for()
    assert int(re.findall(r"\d+", summary.inner_text())[0]) >= 2
    links = visit.page.eval_on_selector_all("#search-results li a", "all => all.map(a => a.href)")
    assert any("glossary" in link for link in links), links
    visit.assert_clean()


def test_search_page_is_accessible(open_page: Callable[..., Visit], site_url: str) -> None:
    visit = open_page(f"{site_url}/search.html?q=generator", reduced_motion="reduce")
    visit.page.wait_for_selector("#search-results li a")
    visit.page.wait_for_timeout(500)
    assert findings(visit, contrast=True) == []


def test_the_front_door_opens_the_book(open_page: Callable[..., Visit], site: Path) -> None:
    visit = open_page((site / "index.html").as_uri())
    visit.page.wait_for_url(f"**/{TOC['root']}.html")
    assert "GANs That Transfer" in visit.page.title()
