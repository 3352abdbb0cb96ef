"""How the built site's chapters read: how soon a picture comes, and how much of a page is figures, how much open code.

    python book/tools/measure.py [--site _build/html]

Opens every chapter in a headless Chromium, as wide as a laptop's screen and as a phone's, and prints a table. Heights
are shares of the whole page's, and places are in screens of 900 pixels. `tests/browser/test_first_things.py` holds
chapters to what they have reached.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = (1280, 390)
# What a reader sees as a picture: drawings, images, and components that move.
LOOK = """() => {
    const page = document.querySelector("article.bd-article");
    const seen = e => e.checkVisibility() && e.getBoundingClientRect().height > 60;
    const moving = ".tgan-frames, .tgan-compare, .tgan-reveal, [data-playground], [data-explorer]";
    const kinds = `${moving}, .tgan-figure, figure, img, svg`;
    const pictures = [...page.querySelectorAll(kinds)]
        .filter(e => seen(e) && !e.parentElement.closest(kinds));
    const code = [...page.querySelectorAll(".cell_input")].filter(seen);
    const height = all => all.reduce((sum, e) => sum + e.getBoundingClientRect().height, 0);
    const whole = page.getBoundingClientRect().height;
    const tops = pictures.map(e => (e.getBoundingClientRect().top + scrollY) / innerHeight);
    return { screens: whole / innerHeight, first: Math.min(...tops, 99),
             figures: height(pictures) / whole, code: height(code) / whole };
}"""


def chapters(site: Path) -> list[Path]:
    """The pages of the site's chapters, in order."""
    return sorted(site.glob("book/*/[0-9][0-9]_*.html"), key=lambda path: path.name)


def look(page: Any) -> dict[str, float]:
    """What LOOK finds on an open page (a playwright page) once its formulas are set."""
    page.evaluate("() => window.MathJax?.startup?.promise")
    found: dict[str, float] = page.evaluate(LOOK)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description="How soon a picture comes, and how much of each chapter is figures."
    )
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    site = parser.parse_args().site.resolve()
    sys.path.insert(0, str(ROOT / "tests" / "browser"))
    from playwright.sync_api import sync_playwright
    from visits import FLAGS, find_chromium

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for width in WIDTHS:
            print(f"\n{width} px: first picture at screen, figures, open code, screens")
            page = browser.new_page(viewport={"width": width, "height": 900})
            for path in chapters(site):
                page.goto(path.as_uri())
                found = look(page)
                print(
                    f"{path.stem:32}{found['first']:6.1f}{found['figures']:8.0%}{found['code']:8.0%}"
                    f"{found['screens']:8.1f}",
                    flush=True,
                )
        browser.close()


if __name__ == "__main__":
    main()
