"""Light and dark where no script runs: the theme's two sets of colours, chosen by the reader's system.

The theme picks its colours by an attribute that a script sets; without one it stays at `auto`, for which no style
sheet has a rule. `_static/scriptless.css` has every rule of the two schemes once more, for `auto`; only a browser
without scripts loads it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

SHEETS = (
    "styles/pydata-sphinx-theme.css",
    "styles/sphinx-book-theme.css",
    "pygments.css",
    "custom.css",
    "shell.css",
)
RULE = re.compile(
    r"(?:^|(?<=[}/{;]))\s*([^{}@;/]*\[data-theme=[\"']?(?:light|dark)[\"']?\][^{}]*)\{([^{}]*)\}"
)
SCHEME = re.compile(r"\[data-theme=[\"']?(light|dark)[\"']?\]")
COMMA = re.compile(r",(?![^()]*\))")  # between selectors, not inside :is(...) or :not(...)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# What only a script could use goes, and what only a script would bring (the logo on dark) is there.
FURNITURE = (
    ".theme-switch-button, .search-button, .btn-fullscreen-button { display: none !important; }\n"
    "html[data-theme] .navbar-brand img.only-light { display: block !important; }"
)


def scriptless(css: str) -> str:
    """The rules of a style sheet that ask for a scheme, for `auto` and by the system's scheme."""
    found: dict[str, list[str]] = {"light": [], "dark": []}
    for selectors, body in RULE.findall(COMMENT.sub("", css)):
        for selector in COMMA.split(selectors):
            for scheme in found:
                if set(SCHEME.findall(selector)) == {scheme}:
                    found[scheme].append(f"{SCHEME.sub('[data-theme=auto]', selector.strip())} {{{body}}}")
    return "\n".join(
        f"@media (prefers-color-scheme: {scheme}) {{\n" + "\n".join(rules) + "\n}"
        for scheme, rules in found.items()
    )


def write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    rules = [scriptless((static / name).read_text(encoding="utf-8")) for name in SHEETS]
    (static / "scriptless.css").write_text("\n".join([*rules, FURNITURE, ""]), encoding="utf-8")


def link(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    sheet = context["pathto"]("_static/scriptless.css", 1)
    context["metatags"] = (
        context.get("metatags", "") + f'<noscript><link rel="stylesheet" href="{sheet}"></noscript>'
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", link)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
