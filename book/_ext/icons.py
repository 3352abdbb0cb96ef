"""The theme's icons, as few as the site shows: a quarter of a megabyte less on every page.

The theme brings Font Awesome whole, two thousand icons of which a site shows some twenty. Once the site is written we
look which icons its pages, scripts and styles name, and leave these in the fonts and in the style sheet.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path

from sphinx.application import Sphinx

NAME = re.compile(r"\bfa-([a-z0-9][a-z0-9-]*)")
CODE = re.compile(r"""content:\s*["']\\([0-9a-fA-F]{4,5})["']""")
PRIVATE = re.compile("[\ue000-\uf8ff]")  # icons as letters, as the theme's sheet writes them
RULE = re.compile(r"((?:\.fa-[\w-]+:{1,2}before,?)+)\{content:\"\\?([^\"]+)\"\}")
FACE = re.compile(r"@font-face\{[^}]*\}")
SOURCES = re.compile(r"src:url\(\.\./webfonts/([\w-]+)\.woff2\)[^;}]*")
FOLDER = Path("vendor") / "fontawesome"


def whole() -> Path:
    """The folder of Font Awesome in the theme that is installed."""
    spec = importlib.util.find_spec("pydata_sphinx_theme")
    assert spec is not None
    assert spec.origin is not None
    [sheet] = Path(spec.origin).parent.glob(f"theme/*/static/{FOLDER.as_posix()}/*/css/all.min.css")
    return sheet.parents[1]


def code_of(content: str) -> int:
    """A rule's content as a code point: "f002" or, as minified sheets have it, the letter itself."""
    return int(content, 16) if len(content) > 1 else ord(content)


def slim_sheet(sheet: str, names: set[str], codes: set[int]) -> tuple[str, set[int]]:
    """The style sheet with the rules of these icons alone, and the code points that fonts must have."""
    wanted = set(codes)

    def keep(rule: re.Match[str]) -> str:
        if set(NAME.findall(rule[1])) & names:
            wanted.add(code_of(rule[2]))
            return rule[0]
        return ""

    return RULE.sub(keep, sheet), wanted


def used(folder: Path) -> tuple[set[str], set[int]]:
    """Names of icons in pages and scripts, and code points in style sheets, Font Awesome's own left out."""
    names: set[str] = set()
    codes: set[int] = set()
    for path in folder.rglob("*"):
        if (
            path.suffix not in (".html", ".js", ".css")
            or FOLDER.parts[1] in path.parts
            or "mathjax" in path.parts
        ):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        if path.suffix == ".css":
            codes |= {int(code, 16) for code in CODE.findall(text)} | {ord(c) for c in PRIVATE.findall(text)}
        else:
            names |= set(NAME.findall(text))
    return names, codes


def slim_font(source: Path, codes: Iterable[int], target: Path) -> None:
    """The font at `source` with these code points alone, as WOFF."""
    from fontTools import subset

    options = subset.Options(
        flavor="woff", name_IDs=[], notdef_outline=True, hinting=False, layout_features=[]
    )
    font = subset.load_font(str(source), options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=list(codes))
    chosen.subset(font)
    subset.save_font(font, str(target), options)


def write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    source, static = whole(), Path(app.outdir) / "_static"
    folder = static / FOLDER / source.name
    if not folder.exists():
        return
    sheet, codes = slim_sheet(
        (source / "css" / "all.min.css").read_text(encoding="utf-8"), *used(Path(app.outdir))
    )
    faces = list(dict.fromkeys(name for face in FACE.findall(sheet) for name in SOURCES.findall(face)))
    for path in (folder / "webfonts").iterdir():
        path.unlink()
    for name in faces:
        slim_font(source / "webfonts" / f"{name}.ttf", codes, folder / "webfonts" / f"{name}.woff")
    sheet = SOURCES.sub(r'src:url(../webfonts/\1.woff) format("woff")', sheet)
    (folder / "css" / "all.min.css").write_text(sheet, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
