"""MyST Markdown as plain Markdown: what Colab, Kaggle, JupyterLab and VS Code show without our extensions.

`cell(text, page)` does it for a Markdown cell. Every directive and role that the book uses has its plain form
here, in DIRECTIVES and ROLES; one that has none is an error, never raw text on a reader's screen.
"""

from __future__ import annotations

import base64
import html
import mimetypes
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from myst_nb.core.variables import format_plain_text
from plain_links import Index, extension

MARKED = {"predict", "exercise", "open-question"}  # classes of what a reader is asked to do
TITLES = "note tip hint important warning caution attention danger error seealso".split()  # noqa: SIM905
AMS = {"equation": "", "align": "aligned", "gather": "gathered", "multline": "multlined"}
FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,}|:{3,})[ \t]*(.*)$")
EQUATION = re.compile(r"\$\$ *\(([\w-]+)\)|^:label: *([\w-]+)", re.M)
FOOTNOTE = re.compile(r"^\[\^([\w-]+)\]:[ \t]*(.*(?:\n[ \t]+\S.*)*)\n?", re.M)
DEFINITION = re.compile(r"^(\S[^\n]*)\n:[ \t]+([^\n]*(?:\n[ \t]+[^\n]*)*)", re.M)
DISPLAY, MATH = r"\$\$.+?\$\$", r"(?<![\\$])\$(?![\s$])(?:\\.|[^$\\])+?(?<!\s)\$"
BRACKETS = r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]"
ATTRIBUTES = r"(?:\{[^{}\n]*\})?"
INLINE = re.compile(
    rf"""(?P<display>{DISPLAY})(?:[ ]*\((?P<equation>[\w-]+)\))?
    | (?P<math>{MATH})
    | \\begin\{{(?P<ams>{"|".join(AMS)})(?P<star>\*?)\}}(?P<lines>.+?)\\end\{{(?P=ams)(?P=star)\}}
    | \{{(?P<role>[a-zA-Z][\w:+.-]*)\}}(?P<tick>`+)(?P<content>.+?)(?P=tick)
    | (?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)){ATTRIBUTES}
    | \{{\{{[ ]*(?P<name>\w+)[ ]*\}}\}}
    | !(?P<alt>{BRACKETS})\((?P<src>[^()\s]+)\)(?P<look>{ATTRIBUTES})
    | \[\^(?P<note>[\w-]+)\]
    | (?P<words>{BRACKETS})\((?P<target>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\){ATTRIBUTES}
    | (?P<span>{BRACKETS})\{{[.\#][^{{}}\n]*\}}
    | (?P<nothing>^(?:(?:%|\+\+\+)[^\n]*|\([\w-]+\)=|\{{[.\#][^{{}}]*\}})[ \t]*(?:\n|\Z))""",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


@dataclass
class Page:
    """The chapter that a text stands in: its file, the values glued in its run, the record of that run."""

    path: Path
    index: Index
    glued: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # name -> MIME type -> data
    record: dict[str, Any] | None = None
    equations: dict[str, int] = field(default_factory=dict)  # label -> number
    footnotes: dict[str, str] = field(default_factory=dict)  # label -> text, in their order

    @classmethod
    def of(cls, text: str, path: Path, index: Index, **known: Any) -> Page:
        """The page whose whole Markdown is `text`."""
        labels = [one or other for one, other in EQUATION.findall(text)]
        return cls(
            path,
            index,
            equations={label: n for n, label in enumerate(labels, 1)},
            footnotes=dict(FOOTNOTE.findall(text)),
            **known,
        )


def cell(text: str, page: Page) -> str:
    """A Markdown cell's source made plain; the footnotes that it refers to stand at its end."""
    body = FOOTNOTE.sub("", text)
    noted = [label for label in page.footnotes if f"[^{label}]" in body]
    notes = [f"{note(label, page)} {inline(page.footnotes[label], page)}" for label in noted]
    return "\n\n".join([blocks(body, page).removesuffix("\n\n---"), *notes])


def blocks(text: str, page: Page) -> str:
    """Any number of paragraphs, listings and directives, made plain."""
    pieces, prose, lines = [], list[str](), text.split("\n")
    while lines:
        opening = FENCE.match(lines[0])
        if not opening or (opening[2][0] == "`" and "`" in opening[3]):
            prose.append(lines.pop(0))
            continue
        indent, fence, info = opening.groups()
        closing = re.compile(rf"[ \t]*{fence[0]}{{{len(fence)},}}[ \t]*")
        end = next((i for i, line in enumerate(lines) if i and closing.fullmatch(line)), len(lines))
        inside = textwrap.dedent("\n".join(lines[1:end]))
        listing = "\n".join(lines[: end + 1])
        del lines[: end + 1]
        pieces.append(paragraphs("\n".join(prose), page))
        prose = []
        if info.startswith("{") or fence[0] == ":":
            pieces.append(textwrap.indent(directive(info, inside, page), indent))
        else:
            pieces.append(listing)
    pieces.append(paragraphs("\n".join(prose), page))
    return "\n\n".join(piece.strip("\n") for piece in pieces if piece.strip())


def paragraphs(text: str, page: Page) -> str:
    """Prose without directives. A definition becomes an item of a list."""
    return DEFINITION.sub(r"- **\1**: \2", inline(text, page))


def inline(text: str, page: Page) -> str:
    """Roles, links, images, formulas and the like in running text, made plain."""

    def rewrite(found: re.Match[str]) -> str:
        part = found.groupdict()
        if part["display"]:
            return tagged(part["display"][2:-2], part["equation"], page)
        if part["ams"]:
            body, inner = part["lines"].strip(), AMS[part["ams"]]
            return tagged(f"\\begin{{{inner}}}\n{body}\n\\end{{{inner}}}" if inner else body, None, page)
        if part["role"]:
            return role(part["role"], part["content"], page)
        if part["name"]:
            return known(page.index.substitutions, part["name"], "substitution", page)
        if part["src"]:
            return picture(part["src"], part["alt"][1:-1], part["look"], page)
        if part["note"]:
            return note(part["note"], page)
        if part["target"] is not None:
            words = inline(part["words"][1:-1], page)
            if re.match(r"[a-z][a-z+.-]*:", part["target"]):
                return f"[{words}]({part['target']})"
            return page.index.link(part["target"], page.path, words)
        if part["span"]:
            return inline(part["span"][1:-1], page)
        return "" if part["nothing"] is not None else part["math"] or part["code"]

    return INLINE.sub(rewrite, text)


def known(table: Mapping[str, Any], name: str, kind: str, page: Page) -> Any:
    """`table[name]`; ValueError that says where what is missing stands, if it is not there."""
    if name not in table:
        raise ValueError(f"{page.path.name}: no {kind} named {name!r}; there are {', '.join(sorted(table))}")
    return table[name]


def tagged(formula: str, label: str | None, page: Page) -> str:
    """A displayed formula, with its number if it has a label."""
    number = f" \\tag{{{known(page.equations, label, 'equation', page)}}}\n" if label else ""
    return f"$${formula.rstrip() + number if label else formula}$$"


def note(label: str, page: Page) -> str:
    known(page.footnotes, label, "footnote", page)
    return f"<sup>{list(page.footnotes).index(label) + 1}</sup>"


def picture(source: str, alt: str, look: str, page: Page) -> str:
    """An image that needs no file beside the notebook: its bytes stand in its address."""
    width = re.search(r"width\s*[=:]\s*\"?([\w.%]+)", look)
    if not re.match(r"(https?|data):", source):
        file = page.path.parent / source
        kind = mimetypes.guess_type(file.name)[0] or "image/png"
        source = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
    if not width:
        return f"![{alt}]({source})"
    return f'<img src="{source}" alt="{html.escape(alt)}" width="{width[1].removesuffix("px")}">'


# Directives


def directive(info: str, inside: str, page: Page) -> str:
    """One directive made plain. `info` is what stands behind its fence: {name} argument."""
    head = re.match(r"\{([\w:+.-]+)\}\s*(.*)", info)
    make = known(DIRECTIVES, head[1] if head else info, "plain form of a directive", page)
    options, body = options_of(inside)
    made: str = make(head[2] if head else "", options, body, page)
    return made


def options_of(inside: str) -> tuple[dict[str, str], str]:
    """A directive's options and its body."""
    lines, options = inside.split("\n"), dict[str, str]()
    while lines and (found := re.fullmatch(r":([\w-]+):\s*(.*?)\s*", lines[0])):
        options[found[1]] = found[2]
        lines.pop(0)
    return options, "\n".join(lines).strip("\n")


def admonition(title: str, options: dict[str, str], body: str, page: Page) -> str:
    """Folded if it folds on the page; under a rule if it asks for something; else a quotation."""
    title, classes = inline(title, page), set(options.get("class", "").split())
    text = blocks(body, page)
    if "dropdown" in classes:
        return f"<details>\n<summary>{html.escape(title, quote=False)}</summary>\n\n{text}\n\n</details>"
    if classes & MARKED:
        return f"---\n\n**{title}**\n\n{text}\n\n---"
    return quoted(f"**{title}**\n\n{text}")


def titled(name: str) -> Callable[..., str]:
    return lambda title, options, body, page: admonition(
        name.capitalize(), options, "\n".join([title, body]).strip(), page
    )


def quoted(text: str) -> str:
    """A quotation. Jupyter takes formulas out before it looks for quotations, so each stands on one line."""
    flat = re.sub(rf"{DISPLAY}|{MATH}", lambda formula: " ".join(formula[0].split()), text, flags=re.DOTALL)
    return "\n".join(f"> {line}".rstrip() for line in flat.split("\n"))


def math(argument: str, options: dict[str, str], body: str, page: Page) -> str:
    return tagged(f"\n{argument or body}\n", options.get("label"), page)


def figure(source: str, options: dict[str, str], caption: str, page: Page) -> str:
    look = f"width={options['width']}" if "width" in options else ""
    return f"{picture(source, options.get('alt', ''), look, page)}\n\n{blocks(caption, page)}".strip()


def listing(language: str, options: dict[str, str], body: str, page: Page) -> str:
    return f"```{language}\n{body}\n```"


def bench(name: str, options: dict[str, str], body: str, page: Page) -> str:
    """A part of the stored benchmark, as the page's table has it."""
    made = extension("bench")
    head, rows = known(made.Bench.tables, name, "table of the benchmark", page)(made.stored())
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def glued(name: str, options: dict[str, str], caption: str, page: Page) -> str:
    return f"{glue(name, page)}\n\n{blocks(caption, page)}".strip()


DIRECTIVES: dict[str, Callable[..., str]] = {
    "admonition": admonition,
    "bench": bench,
    "code": listing,
    "code-block": listing,
    "dropdown": lambda title, options, body, page: admonition(title, {"class": "dropdown"}, body, page),
    "figure": figure,
    "glue": glued,
    "glue:figure": glued,
    "image": figure,
    "math": math,
    **{name: titled(name) for name in TITLES},
}


# Roles


def role(name: str, content: str, page: Page) -> str:
    """One role made plain."""
    words, target = content, content
    if explicit := re.fullmatch(r"(.+?)\s*<([^<>]+)>", content, re.S):
        words, target = explicit[1], explicit[2]
    made: str = known(ROLES, name, "plain form of a role", page)(target, words, page)
    return made


def term(target: str, words: str, page: Page) -> str:
    known(page.index.terms, " ".join(target.split()).lower(), "term", page)
    return page.index.term(target, words)


def cite_in_text(keys: str, words: str, page: Page) -> str:
    """Author (year), each linked."""
    return ", ".join(f"[{a} ({year})]({at})" for a, year, at in citations(keys, page))


def cite_in_brackets(keys: str, words: str, page: Page) -> str:
    """(Author, year; Author, year), each linked."""
    return "(" + "; ".join(f"[{a}, {year}]({at})" for a, year, at in citations(keys, page)) + ")"


def citations(keys: str, page: Page) -> list[tuple[str, str, str]]:
    found = [key.strip() for key in keys.split(",")]
    for key in found:
        known(page.index.entries, key, "entry of references.bib", page)
    return [page.index.citation(key) for key in found]


def cross_reference(prefix: str) -> Callable[..., str]:
    """A link whose words are the title of what it leads to, unless it has others."""
    return lambda target, words, page: page.index.link(
        prefix + target, page.path, words if words != target else ""
    )


def glue(key: str, page: Page) -> str:
    """A value glued in the run: words, formatted as the page formats them, or a picture."""
    name, _, form = key.partition(":")
    data = known(page.glued, name, "value glued in the run", page)
    for mime in ("image/png", "image/jpeg"):
        if mime in data:
            return f"![{name}](data:{mime};base64,{''.join(data[mime].split())})"
    text = format_plain_text(data["text/plain"], form or "s")
    return re.sub(r"([\\`*_\[\]<|$])", r"\\\1", text)


ROLES: dict[str, Callable[..., str]] = {
    "bench": lambda target, words, page: extension("bench").said(target),
    "cite": cite_in_brackets,
    "cite:p": cite_in_brackets,
    "cite:t": cite_in_text,
    "doc": cross_reference(""),
    "eq": lambda target, words, page: f"({known(page.equations, target, 'equation', page)})",
    "glue": lambda target, words, page: glue(target, page),
    "glue:text": lambda target, words, page: glue(target, page),
    "math": lambda target, words, page: f"${words}$",
    "measured": lambda target, words, page: extension("times").spoken(page.record),
    "numref": cross_reference("#"),
    "ref": cross_reference("#"),
    "term": term,
}
