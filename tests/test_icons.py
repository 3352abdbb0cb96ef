"""The theme's icons, as few as the site shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from extensions import extension

icons = extension("icons")


def test_a_sheet_keeps_the_rules_of_the_icons_that_are_named() -> None:
    night = '.fa-moon:before,.fa-night:before{content:"\\f186"}'
    sun, a = '.fa-sun:before{content:"\\f185"}', '.fa-a:before{content:"A"}'
    sheet = f".fa{{font-weight:900}}{sun}{night}{a}"
    kept, codes = icons.slim_sheet(sheet, {"sun", "night"}, {0xF06A})
    assert kept == f".fa{{font-weight:900}}{sun}{night}"
    assert codes == {0xF185, 0xF186, 0xF06A}
    assert icons.slim_sheet(sheet, {"a"}, set())[1] == {ord("A")}


def test_names_come_from_pages_and_scripts_and_codes_from_styles(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<i class="fa-solid fa-sun fa-lg"></i>')
    (tmp_path / "a.js").write_text("icon.className = 'fas fa-bars'")
    (tmp_path / "a.css").write_text('.admonition::before{content:"\\f06a"} :root{--search-minus:"\uf010"}')
    own = tmp_path / "vendor" / "fontawesome"
    own.mkdir(parents=True)
    (own / "all.css").write_text('.fa-moon:before{content:"\\f186"}')
    names, codes = icons.used(tmp_path)
    assert {"sun", "bars", "lg", "solid"} <= names
    assert codes == {0xF06A, 0xF010}, "as an escape, and as the letter itself"


def test_a_font_keeps_these_icons_and_is_small(tmp_path: Path) -> None:
    pytest.importorskip("pydata_sphinx_theme")
    ttf = pytest.importorskip("fontTools.ttLib")
    target = tmp_path / "solid.woff"
    icons.slim_font(icons.whole() / "webfonts" / "fa-solid-900.ttf", {0xF185, 0xF186}, target)
    assert target.stat().st_size < 5000
    assert set(ttf.TTFont(str(target)).getBestCmap()) == {0xF185, 0xF186}
