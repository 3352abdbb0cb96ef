"""Formulas that hold without scripts: beside the TeX that MathJax sets stands MathML, written at build time.

A browser that runs scripts never looks into <noscript>, and MathJax takes the TeX as before. Pages without a
formula do not load MathJax.
"""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert
from sphinx.application import Sphinx

MATH = re.compile(
    r'(?P<open><(?P<tag>span|div) class="math notranslate nohighlight"[^>]*>)\s*'
    r'(?P<number><span class="eqno">.*?</span>)?'
    r"(?P<tex>\\[(\[].*?\\[)\]])\s*</(?P=tag)>",
    re.DOTALL,
)
HIDE_TEX = "<noscript><style>.math > .tex { display: none; }</style></noscript>"


def mathml(tex: str) -> str:
    r"""MathML of a formula between \( and \) or \[ and \]."""
    made: str = convert(tex[2:-2].strip(), display="block" if tex.startswith(r"\[") else "inline")
    return made


def with_mathml(body: str) -> str:
    """A page's body with MathML beside each formula."""

    def both(found: re.Match[str]) -> str:
        made = mathml(html.unescape(found["tex"]))
        number = found["number"] or ""
        return (
            f'{found["open"]}{number}<span class="tex">{found["tex"]}</span>'
            f"<noscript>{made}</noscript></{found['tag']}>"
        )

    return MATH.sub(both, body)


def set_formulas(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    body = context.get("body", "")
    if MATH.search(body):
        context["body"] = with_mathml(body)
        context["metatags"] = context.get("metatags", "") + HIDE_TEX
    elif "text_latex" not in body:
        context["script_files"] = [file for file in context["script_files"] if not is_mathjax(file)]


def is_mathjax(file: Any) -> bool:
    """Whether a script is MathJax or its settings."""
    return "mathjax" in str(getattr(file, "filename", "")) or "window.MathJax" in str(
        file.attributes.get("body", "")
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", set_formulas, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
