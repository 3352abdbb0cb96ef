"""A picture soon, and enough of them; pages that weigh little before their interactive is asked for."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from visits import ROOT, Visit

sys.path.insert(0, str(ROOT / "book" / "tools"))
from measure import chapters, look

pytestmark = pytest.mark.browser

SOON, ENOUGH = 2.0, 0.15  # screens to the first picture; of a chapter's height in figures
# Chapters that have not been turned inside out yet, and what they have reached: no less from here on.
LATER: dict[str, tuple[float, float]] = {
    "09_source_to_target": (2.0, 0.14),
    "10_cross_domain": (2.2, 0.15),
    "11_pretrained_discriminators": (2.5, 0.1),
    "12_freezing": (2.1, 0.12),
    "13_small_updates": (2.3, 0.14),
    "15_augmentation": (3.4, 0.13),
}
DOUBT = 0.4  # screens of the box at the top of chapters 9 to 16, which stands until they are run again
SOME = {
    "01_two_player_game",
    "06_measuring",
    "16_face_off",
}  # the others: `make test-all`
NAMES = [
    pytest.param(path.stem, marks=() if path.stem in SOME else pytest.mark.slow)
    for path in sorted(ROOT.glob("book/*/[0-9][0-9]_*.ipynb"), key=lambda path: path.name)
]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_comes_soon_and_figures_are_enough_of_the_page(
    open_page: Callable[..., Visit], site: Path, name: str
) -> None:
    [path] = [path for path in chapters(site) if path.stem == name]
    soon, enough = LATER.get(name, (SOON, ENOUGH))
    if int(name[:2]) >= 9:
        soon, enough = soon + DOUBT, 0.97 * enough
    found = look(open_page(path.as_uri()).page)
    assert found["first"] <= soon, f"the first picture stands at screen {found['first']:.2f}"
    assert found["figures"] >= enough, f"figures are {found['figures']:.1%} of the chapter's height"


def sent(visit: Visit, site: Path, packed: bool) -> int:
    """Bytes of a page and of all that it asked for by itself; packed: texts as a host sends them, compressed."""
    visit.page.wait_for_load_state("networkidle")
    entries: list[tuple[str, int]] = visit.page.evaluate(
        "() => performance.getEntries().filter(e => e.encodedBodySize !== undefined)"
        ".map(e => [new URL(e.name).pathname, e.encodedBodySize])"
    )
    total = 0
    for address, size in entries:
        path = site / unquote(address).lstrip("/")
        text = packed and path.suffix in (".html", ".css", ".js", ".svg", ".json") and path.is_file()
        total += len(gzip.compress(path.read_bytes(), 6)) if text else size
    return total


def test_the_landing_page_weighs_little(open_page: Callable[..., Visit], site: Path, site_url: str) -> None:
    assert 100_000 < sent(open_page(f"{site_url}/book/index.html"), site, packed=False) <= 900_000


@pytest.mark.parametrize("name", NAMES)
def test_no_chapter_is_heavy_before_its_interactive_is_asked_for(
    open_page: Callable[..., Visit], site: Path, site_url: str, name: str
) -> None:
    [path] = [path for path in chapters(site) if path.stem == name]
    visit = open_page(f"{site_url}/{path.relative_to(site).as_posix()}")
    assert 300_000 < sent(visit, site, packed=True) <= 1_500_000
