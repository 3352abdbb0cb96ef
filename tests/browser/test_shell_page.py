"""What stands round the text of a page, as a reader meets it: folds, cards, way-finding, search, print, no scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from visits import ROOT, Visit

pytestmark = pytest.mark.browser

CHAPTER = "book/loss/06_measuring"
FIRST = {"01_two_player_game", "16_face_off"}  # the others wait for `make test-all`
CHAPTERS = [
    pytest.param(
        str(p.relative_to(ROOT).with_suffix("")), marks=() if p.stem in FIRST else pytest.mark.slow, id=p.stem
    )
    for p in sorted(ROOT.glob("book/*/[0-9][0-9]_*.ipynb"))
]
SWITCH = "button.all-code"
FOLDS = ".cell:not(.tag_solution) > details.hide"
# What reaches beyond the column of text, or holds more than it shows without a way to scroll there.
TOO_WIDE = """() => {
    const column = document.querySelector("article.bd-article").getBoundingClientRect();
    const scrolls = e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
    const boxed = e => e && !e.matches("article") && (scrolls(e) || boxed(e.parentElement));
    const held = ["article .cell_output", "article .cell_output *", "article table", "article pre"];
    return [...document.querySelectorAll(held)]
        .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > column.right + 1)
        .filter(e => !boxed(e.parentElement)).map(e => e.outerHTML.slice(0, 120));
}"""
CUT_CODE = """() => [...document.querySelectorAll("article .cell_input pre")]
    .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map(e => e.innerText.slice(0, 80))"""


def open_folds(visit: Visit) -> list[bool]:
    found: list[bool] = visit.page.eval_on_selector_all(FOLDS, "all => all.map(d => d.open)")
    return found


@pytest.mark.parametrize(("width", "dark"), [(1280, False), pytest.param(390, True, marks=pytest.mark.slow)])
def test_one_switch_opens_all_code_and_the_visit_keeps_it(
    open_page: Callable[..., Visit], site_url: str, width: int, dark: bool
) -> None:
    visit = open_page(f"{site_url}/{CHAPTER}.html", width=width, dark=dark)
    switch = visit.page.locator(SWITCH)
    assert switch.inner_text() == "All code"
    assert switch.get_attribute("aria-pressed") == "false"
    folded = open_folds(visit)
    assert len(folded) >= 6
    assert not any(folded)
    switch.focus()
    visit.page.keyboard.press("Enter")
    assert all(open_folds(visit))
    solutions = ".cell.tag_solution > details"
    assert not any(visit.page.eval_on_selector_all(solutions, "all => all.map(d => d.open)"))
    visit.page.goto(f"{site_url}/book/loss/05_stability.html")
    assert visit.page.locator(SWITCH).get_attribute("aria-pressed") == "true"
    assert all(open_folds(visit))
    visit.page.locator(SWITCH).click()
    assert not any(open_folds(visit))
    visit.assert_clean()


def test_a_bar_is_thin_says_what_it_folds_and_opens_by_keyboard(
    open_page: Callable[..., Visit], site_url: str
) -> None:
    visit = open_page(f"{site_url}/{CHAPTER}.html")
    bars = visit.page.locator(f"{FOLDS} > summary:visible")  # what is said of a veiled result waits unseen
    names = [text.strip() for text in bars.all_inner_texts()]
    assert names[0].startswith("Set-up, ")
    assert all(re.fullmatch(r"(Set-up|Imports|Code), \d+ lines?", name) for name in names), names
    assert bars.first.bounding_box()["height"] <= 32  # type: ignore[index]
    bars.nth(1).focus()
    visit.page.keyboard.press("Enter")
    assert open_folds(visit)[1]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_nothing_is_wider_than_its_column(open_page: Callable[..., Visit], site: Path, chapter: str) -> None:
    visit = open_page(f"{(site / chapter).as_uri()}.html")
    assert visit.page.evaluate(TOO_WIDE) == []
    assert visit.page.evaluate(CUT_CODE) == []
    visit.page.set_viewport_size({"width": 390, "height": 844})
    assert visit.page.evaluate(TOO_WIDE) == []
    assert visit.page.evaluate("document.scrollingElement.scrollWidth") <= 390


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_says_where_it_is(open_page: Callable[..., Visit], site: Path, chapter: str) -> None:
    visit = open_page(f"{(site / chapter).as_uri()}.html")
    number = int(chapter.rsplit("/", 1)[1][:2])
    assert visit.page.title().startswith(f"Chapter {number}: ")
    assert visit.page.title().count("GANs That Transfer") == 1
    assert visit.page.locator("p.chapter-number + h1").count() == 1
    assert visit.page.locator("nav.bd-links .current.active").last.inner_text().startswith(f"{number}. ")
    card = visit.page.locator("details.card-chapter > summary")
    assert "to run" in card.inner_text()
    assert visit.page.locator(".card-body").is_hidden()
    card.click()
    assert visit.page.locator(".card-body").is_visible()
    meta = "name => document.querySelector(`meta[name='${name}'], meta[property='${name}']`)?.content"
    assert len(visit.page.evaluate(meta, "description")) > 40
    picture = visit.page.evaluate(meta, "og:image")
    assert (site / chapter).parent.joinpath(picture).resolve().is_file()
    plain = visit.page.evaluate("""() => [...document.querySelectorAll("article p, article li")]
        .flatMap(p => [...p.childNodes]).filter(n => n.nodeType === 3).map(n => n.textContent).join("\\n")""")
    loose = {int(n) for n in re.findall(r"\b[Cc]hapter (\d+)", plain)} - {number}
    assert all(n > 16 for n in loose), loose
    assert visit.page.get_by_text("not written yet").count() == 0


def test_no_other_page_says_its_title_twice(open_page: Callable[..., Visit], site: Path) -> None:
    visit = open_page((site / "book" / "index.html").as_uri())
    assert visit.page.title() == "GANs That Transfer"


@pytest.mark.parametrize(
    ("query", "expected"), [("判别", "Glossary"), ("别器", "Glossary"), ("kernel distance", "6. Measuring")]
)
def test_search_finds_parts_and_lists_a_page_once(
    open_page: Callable[..., Visit], site_url: str, query: str, expected: str
) -> None:
    visit = open_page(f"{site_url}/search.html?q={query}", width=390)
    visit.page.locator("#search-results .search-summary", has_text=re.compile(r"found \d+")).wait_for()
    links = visit.page.eval_on_selector_all(
        "#search-results li > a", "all => all.map(a => [a.href.split(/[?#]/)[0], a.innerText])"
    )
    assert len({page for page, _ in links}) == len(links)
    assert expected in [title for _, title in links]


def found(visit: Visit) -> list[str]:
    """The titles that were found, once all are listed with their excerpts."""
    visit.page.locator("#search-results .search-summary", has_text=re.compile(r"found \d+")).wait_for()
    visit.page.wait_for_load_state("networkidle")
    titles: list[str] = visit.page.locator("#search-results li > a").all_inner_texts()
    return titles


def test_search_ranks_by_what_pages_say_and_quotes_their_prose(
    open_page: Callable[..., Visit], site_url: str
) -> None:
    visit = open_page(f"{site_url}/search.html?q=100 images which method")
    assert "16. The face-off" in found(visit)[:3]
    quotes = visit.page.locator("#search-results p.context").all_inner_texts()
    assert len(quotes) > 5
    assert not [quote for quote in quotes if re.search(r"\\[(a-z]|import |\w\(\w+=|\{\w", quote)]
    visit.page.goto(f"{site_url}/search.html?q=tgan_lib.zoo.load")
    assert found(visit)[0] == "tgan_lib.zoo.load", "a name that is just what was asked for comes first"
    visit.assert_clean()


def test_the_way_to_hide_matches_is_modest_and_has_its_icon(
    open_page: Callable[..., Visit], site_url: str
) -> None:
    visit = open_page(f"{site_url}/search.html?q=freezing layers")
    found(visit)
    visit.page.locator("#search-results li > a", has_text="12. Freezing layers").click()
    link = visit.page.locator(".highlight-link a")
    link.wait_for()
    visit.page.evaluate("document.fonts.ready.then(() => true)")
    ground = link.evaluate("e => getComputedStyle(e).backgroundColor")
    assert ground == "rgba(0, 0, 0, 0)"
    # A glyph that is missing is drawn from another font: with and without ours its width is the same.
    width = """(font) => {
        const pen = document.createElement("canvas").getContext("2d");
        pen.font = `900 40px ${font}`;
        return pen.measureText("\uf010").width;
    }"""
    assert link.evaluate("e => getComputedStyle(e, '::before').content") == '"\uf010"'
    assert visit.page.evaluate(width, "'Font Awesome 6 Free', monospace") != visit.page.evaluate(
        width, "monospace"
    )
    link.click()
    link.wait_for(state="detached")
    assert visit.page.locator("article .highlighted").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_what_is_typed_into_search_stands_clear(
    open_page: Callable[..., Visit], site_url: str, width: int
) -> None:
    visit = open_page(f"{site_url}/{CHAPTER}.html", width=width)
    visit.page.keyboard.press("Control+k")
    box = visit.page.locator(".search-button__wrapper input[name=q]")
    box.fill("distance")
    clear = """input => {
        const own = input.getBoundingClientRect();
        const beside = [...input.form.querySelectorAll("i, kbd")].filter(e => e.checkVisibility());
        return own.width >= 180 && beside.every(e => {
            const r = e.getBoundingClientRect();
            return r.right <= own.left + 1 || r.left >= own.right - 1 || r.left > own.left + own.width * 0.8;
        });
    }"""
    assert box.evaluate(clear)


@pytest.mark.parametrize("dark", [False, True])
def test_without_scripts_theme_boxes_and_formulas_hold(
    open_page: Callable[..., Visit], site: Path, dark: bool
) -> None:
    visit = open_page(f"{(site / CHAPTER).as_uri()}.html", dark=dark, java_script_enabled=False)
    colour = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (
        max(map(int, re.findall(r"\d+", colour)[:3])) < 64
        if dark
        else min(map(int, re.findall(r"\d+", colour)[:3])) > 240
    )
    formulas = visit.page.locator("article .math")
    assert formulas.count() >= 10
    assert visit.page.locator("article .math math").count() == formulas.count()
    assert visit.page.locator("article .math > .tex").first.is_hidden()
    assert visit.page.locator("article .math math").first.bounding_box()["width"] > 5  # type: ignore[index]
    assert visit.page.locator("details.card-chapter > summary").is_visible()
    assert visit.page.evaluate(
        "getComputedStyle(document.querySelector('.admonition.exercise')).borderLeftColor"
    ) not in (colour, "rgba(0, 0, 0, 0)")


def test_mathjax_loads_only_where_there_are_formulas(open_page: Callable[..., Visit], site: Path) -> None:
    assert open_page((site / "book" / "index.html").as_uri()).page.evaluate("typeof MathJax") == "undefined"
    assert open_page(f"{(site / CHAPTER).as_uri()}.html").page.evaluate("typeof MathJax") == "object"


def test_print_loses_nothing(open_page: Callable[..., Visit], site: Path, tmp_path: Path) -> None:
    visit = open_page(f"{(site / CHAPTER).as_uri()}.html", dark=True)
    visit.page.emulate_media(media="print", color_scheme="dark")
    visit.page.set_viewport_size({"width": 680, "height": 960})  # A4 within its margins
    seen: dict[str, Any] = visit.page.evaluate("""() => {
        dispatchEvent(new Event("beforeprint"));
        const shown = e => e.checkVisibility();
        const cut = [...document.querySelectorAll("article pre, article table, article img, article .output")]
            .filter(e => shown(e) && (e.getBoundingClientRect().right > innerWidth + 1 ||
                (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible")))
            .map(e => e.outerHTML.slice(0, 100));
        const found = {
            cut,
            title: [...document.querySelectorAll("h1")].filter(shown).map(e => e.innerText),
            setUp: [...document.querySelectorAll(".tag_set-up")].some(shown),
            card: shown(document.querySelector(".card-body")),
            says: getComputedStyle(document.querySelector(".tag_hide-input > .hide > summary"), "::after").content,
            link: getComputedStyle(document.querySelector("article a[href]"), "::after").content,
            ground: getComputedStyle(document.body).backgroundColor,
        };
        dispatchEvent(new Event("afterprint"));
        return found;
    }""")
    assert seen["cut"] == []
    assert len(seen["title"]) == 1
    assert not seen["setUp"]
    assert seen["card"]
    assert "folded" in seen["says"]
    assert seen["link"] in ("none", "normal", '""')
    assert seen["ground"] == "rgb(255, 255, 255)"
    visit.page.pdf(path=tmp_path / "chapter.pdf", format="A4")
    assert (tmp_path / "chapter.pdf").stat().st_size > 100_000
    assert not visit.page.locator("details.card-chapter").evaluate("e => e.open")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p.stem, marks=() if p.stem in ("api_data", "api_widgets") else pytest.mark.slow)
        for p in sorted(ROOT.glob("book/reference/api*.md"))
    ],
)
def test_an_api_page_begins_with_its_names_and_ends_within_ten_screens(
    open_page: Callable[..., Visit], site: Path, page: str
) -> None:
    visit = open_page((site / "book" / "reference" / f"{page}.html").as_uri())
    visit.page.set_viewport_size({"width": 1280, "height": 800})
    assert visit.page.evaluate("document.querySelector('article').getBoundingClientRect().height") <= 8000
    if page != "api":
        rows = visit.page.eval_on_selector_all(
            "table.names tbody tr", "all => all.map(r => r.querySelector('a').hash)"
        )
        assert rows
        assert all(
            visit.page.evaluate("hash => !!document.getElementById(hash.slice(1))", row) for row in rows
        )
