"""The library's docstrings on the API page.

They are written to be read in a terminal: prose, code between backticks, an indented block for an equation or
an example, hanging lines for a list of arguments. Sphinx would read them as reStructuredText, where |x| is a
substitution and a word that ends in _ a link. Here each is turned into reStructuredText that says what was
meant. Docstrings that our classes inherit from torch are left out: they are not ours to explain.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

CODE = re.compile(r"(`{1,2})([^`]+)\1")
SPECIAL = re.compile(r"[\\|*]|_(?![A-Za-z0-9])")
SECTION = re.compile(r"^(?:Args|Attributes|Raises|Returns|Yields):$", re.MULTILINE)


def inline(text: str) -> str:
    """Code spans become literals, and outside of them no character means anything."""
    parts, end = [], 0
    for span in CODE.finditer(text):
        parts += [SPECIAL.sub(r"\\\g<0>", text[end : span.start()]), f"``{span[2]}``"]
        end = span.end()
    return "".join([*parts, SPECIAL.sub(r"\\\g<0>", text[end:])])


def paragraph(text: str) -> str:
    """Prose; or a block to be kept to the letter, if all its lines are indented; or a list, if some are."""
    hanging = [line.startswith(" ") for line in text.split("\n")]
    if all(hanging):
        return f"::\n\n{text}"
    if any(hanging):
        return re.sub(
            r"^(?! )", "* ", re.sub(r"^ +", "  ", inline(text), flags=re.MULTILINE), flags=re.MULTILINE
        )
    return inline(text)


def restructured(text: str) -> str:
    """A whole docstring. From "Args:" or its like on, the layout is napoleon's and is left to it."""
    section = SECTION.search(text)
    start = section.start() if section else len(text)
    paragraphs = re.split(r"\n\s*\n", text[:start].rstrip())
    return "\n\n".join([*map(paragraph, paragraphs), inline(text[start:])])


def rewrite(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """autodoc's hook: changes `lines` in place, before napoleon reads them."""
    lines[:] = restructured("\n".join(lines)).split("\n")


def settle(app: Sphinx, config: Config) -> None:
    """The settings of autodoc that go with this."""
    # Our docstrings name their arguments in prose, so a list of bare types below each would be in the way.
    config.autodoc_typehints = "signature"
    config.python_maximum_signature_line_length = 72  # beyond, each argument has a line
    config.autodoc_inherit_docstrings = False
    config.autodoc_preserve_defaults = True  # a default that is a function shows its name, not its address
    config.add_module_names = False  # the page's headings name the modules


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", settle)
    app.connect("autodoc-process-docstring", rewrite, priority=400)  # napoleon's priority is 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
