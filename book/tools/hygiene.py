"""The rules that every notebook of the book keeps: functions of (notebook, book) that return complaints.

`problems` applies them all. A rule has no side effects and needs no kernel, so a test can show it a bad one.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from exercises import exercise_problems, pairs
from notebooks import (
    BOOK,
    caption,
    code_cells,
    code_sha256,
    functions,
    glued_names,
    images,
    is_image,
    label,
    markdown,
    prose_words,
    setup_cell,
    shown,
)

MOST_LINES, MOST_MEDIAN_LINES = 40, 12
MOST_BYTES, MOST_TEXT_BYTES = 1_500_000, 100_000
# What is a picture in an output of tgan_lib's, and the script that such an output brings.
NOT_TEXT = re.compile(
    r"(?:url\(|data-sheet=.)data:image/png;base64,[\w+/=]+|<svg .*?</svg>"
    r"|<(?P<tag>script|style) data-tgan.*?</(?P=tag)>",
    re.DOTALL,
)
WORDS = (1_500, 3_000)
SHORTEST_ALT = 40  # characters
WIDGETS = "application/vnd.jupyter.widget"
RECORD = {"code_sha256", "budget", "device", "seconds", "versions", "date"}
ABSOLUTE = re.compile(r"(?:(?<![\w./~-])|(?<=file://))/(?:home|root|Users|tmp|work)(?=[/\s\"'`<]|$)|\bC:\\")
BOXES = {
    "card-chapter": "card at the top",
    "exercise": "exercise",
    "takeaways": "take-aways",
    "open-question": "open question",
}


@dataclass(frozen=True)
class Book:
    """What a notebook is held against: the rest of the book."""

    setup: str
    terms: frozenset[str]
    citations: frozenset[str]
    exercises: frozenset[str]

    @classmethod
    def read(cls, folder: Path = BOOK) -> Book:
        from tgan_lib.exercises import CHECKS

        glossary = (folder / "reference" / "glossary.md").read_text(encoding="utf-8")
        references = (folder / "references.bib").read_text(encoding="utf-8")
        return cls(
            setup=setup_cell(),
            terms=frozenset(glossary_terms(glossary)),
            citations=frozenset(re.findall(r"^@\w+\{\s*([^,\s]+)\s*,", references, flags=re.M)),
            exercises=frozenset(CHECKS),
        )


def glossary_terms(page: str) -> Iterator[str]:
    """The terms of a page's glossaries: the lines that stand at the margin."""
    for _, body in re.findall(r"^(`{3,}|:{3,})\{glossary\}[^\n]*\n(.*?)^\1\s*$", page, flags=re.M | re.S):
        yield from (line.strip() for line in body.splitlines() if line.strip() and line[0] not in " \t:")


Rule = Callable[[Any, Book], list[str]]


def was_run(nb: Any, book: Book) -> list[str]:
    """Every code cell was run, in order, in one fresh kernel, and none is empty."""
    cells = code_cells(nb)
    found = [f"{label(nb, c)}: nothing in it" for c in cells if not c.source.strip()]
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        found.append(f"code cells were run as {counts}; from 1 up, in order, in a fresh kernel")
    return found


def record_fits(nb: Any, book: Book) -> list[str]:
    """The record of the stored run is complete, is of a real run, and is of this very code."""
    record = nb.metadata.get("tgan", {})
    missing = sorted(RECORD - set(record))
    if missing:
        return [f"no record of the stored run ({', '.join(missing)}); run execute.py"]
    found = []
    if record["code_sha256"] != code_sha256(nb):
        found.append("the code has changed since the stored run; run execute.py")
    if record["budget"] not in ("cpu", "gpu"):
        found.append(f"the stored run's budget is {record['budget']!r}; stored outputs come from cpu or gpu")
    return found


def figures_have_words(nb: Any, book: Book) -> list[str]:
    """One picture a cell at most, and for each an alternative text; pictures inside HTML have one too."""
    found = []
    for cell in code_cells(nb):
        where, number = label(nb, cell), images(cell)
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if number and len(alt.strip()) < SHORTEST_ALT:
            found.append(f"{where}: alternative text of {len(alt)} characters; say what is to be seen")
        if number > 1:
            found.append(f"{where}: {number} pictures under one alternative text; one a cell")
        for tag in re.findall(r"<img\b[^>]*>", shown(cell)):
            if not re.search(r"\balt=([\"'])(?!\1)", tag):
                found.append(f"{where}: an <img> without alt")
    return found


def setup_is_shared(nb: Any, book: Book) -> list[str]:
    """The first code cell is the setup cell, to the letter."""
    cells = code_cells(nb)
    same = bool(cells) and cells[0].source == book.setup
    return [] if same else ["the first code cell is not the book's setup cell; run execute.py"]


def cells_are_short(nb: Any, book: Book) -> list[str]:
    """No code cell is long, and most are short."""
    lengths = [len(cell.source.splitlines()) for cell in code_cells(nb)]
    found = [
        f"{label(nb, cell)}: {n} lines; at most {MOST_LINES}"
        for cell, n in zip(code_cells(nb), lengths, strict=True)
        if n > MOST_LINES
    ]
    if lengths and statistics.median(lengths) > MOST_MEDIAN_LINES:
        found.append(
            f"the median code cell has {statistics.median(lengths):g} lines; at most {MOST_MEDIAN_LINES}"
        )
    return found


def file_is_small(nb: Any, book: Book) -> list[str]:
    """The notebook's file is small."""
    size = len(nbformat.writes(nb).encode())
    return [] if size <= MOST_BYTES else [f"the file has {size:,} bytes; at most {MOST_BYTES:,}"]


def no_errors(nb: Any, book: Book) -> list[str]:
    """No cell ended in an exception."""
    return [
        f"{label(nb, cell)}: ended in {output.ename}"
        for cell in code_cells(nb)
        for output in cell.outputs
        if output.output_type == "error"
    ]


def no_absolute_paths(nb: Any, book: Book) -> list[str]:
    """Neither sources nor outputs name a folder of one machine."""
    found = [f"Markdown: {line.strip()[:60]}" for line in markdown(nb).splitlines() if ABSOLUTE.search(line)]
    for cell in code_cells(nb):
        for line in [*cell.source.splitlines(), *shown(cell).splitlines()]:
            if ABSOLUTE.search(line):
                found.append(f"{label(nb, cell)}: {line.strip()[:60]}")
    return [f"a path of one machine in {where}" for where in found]


def nothing_heavy_stored(nb: Any, book: Book) -> list[str]:
    """No widget state is stored, and no weights as text; a picture or a script that comes in HTML counts as one."""
    found = ["widget state is stored in the notebook's metadata"] if "widgets" in nb.metadata else []
    for cell in code_cells(nb):
        for output in cell.outputs:
            data = output.get("data", {})
            if any(mime.startswith(WIDGETS) for mime in data):
                found.append(f"{label(nb, cell)}: a widget's view is stored; it needs a kernel to be seen")
            sizes = {
                mime: len(NOT_TEXT.sub("", str(text))) for mime, text in data.items() if not is_image(mime)
            }
            sizes["text"] = len(output.get("text", ""))
            for mime, size in sizes.items():
                if size > MOST_TEXT_BYTES:
                    found.append(
                        f"{label(nb, cell)}: {size:,} characters of {mime}; at most {MOST_TEXT_BYTES:,}"
                    )
    return found


def exercises_are_sound(nb: Any, book: Book) -> list[str]:
    """Two exercises or more; each stub is made from its solution and failed plainly; each solution passed."""
    found = exercise_problems(nb, book.exercises)
    for stub, solution in pairs(nb):
        if stub is not None and "not written yet" not in shown(stub):
            found.append(f"{label(nb, stub)}: its stored output should say 'not written yet'")
        if "passed." not in shown(solution):
            found.append(f"{label(nb, solution)}: its stored output should say that it passed")
    return found


def terms_exist(nb: Any, book: Book) -> list[str]:
    """Every term that is linked is in the glossary, and some are linked."""
    used = re.findall(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`", markdown(nb))
    lower = {term.lower() for term in book.terms}
    unknown = sorted({term for term in used if " ".join(term.split()).lower() not in lower})
    return [f"the glossary has no term {term!r}" for term in unknown] or (
        [] if used else ["links to no term"]
    )


def citations_exist(nb: Any, book: Book) -> list[str]:
    """Every citation has its entry, and something is cited."""
    used = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", markdown(nb))
    keys = {key.strip() for group in used for key in group.split(",")}
    unknown = sorted(keys - book.citations)
    return [f"references.bib has no entry {key!r}" for key in unknown] or ([] if keys else ["cites nothing"])


def glue_holds(nb: Any, book: Book) -> list[str]:
    """Every number in the prose that is said to come from the run does."""
    text = "\n".join([markdown(nb), *map(caption, code_cells(nb))])
    roles = re.findall(r"\{glue(?::\w*)?\}`([^`:]+)[^`]*`", text)
    directives = re.findall(r"^\s*(?:`{3,}|:{3,})\{glue(?::\w*)?\}\s*(\S+)", markdown(nb), flags=re.M)
    unknown = sorted({*roles, *directives} - glued_names(nb))
    return [f"no cell has glued {name!r}" for name in unknown]


def length_is_right(nb: Any, book: Book) -> list[str]:
    """A chapter is read in one sitting."""
    words = prose_words(nb)
    return (
        [] if WORDS[0] <= words <= WORDS[1] else [f"{words:,} words of prose; {WORDS[0]:,} to {WORDS[1]:,}"]
    )


def parts_are_there(nb: Any, book: Book) -> list[str]:
    """A title, a prediction, the boxes of a chapter, by their classes, and a heading or bold "What can go wrong"."""
    text = markdown(nb)
    first = nb.cells[0].source if nb.cells and nb.cells[0].cell_type == "markdown" else ""
    found = [] if re.match(r"\s*(\([\w-]+\)=\s*)?# \S", first) else ["the first cell is no title, '# ...'"]
    for name, what in BOXES.items():
        if not re.search(rf"^\s*:class[\w-]*:.*(?<![\w-]){name}(?![\w-])", text, flags=re.M):
            found.append(f"no {what} (a box of class {name})")
    asked = re.search(r"^predict\(", "\n".join(cell.source for cell in code_cells(nb)), flags=re.M)
    if not asked and not re.search(r"^\s*:class[\w-]*:.*(?<![\w-])predict(?![\w-])", text, flags=re.M):
        found.append("no prediction before the experiment (predict(...), or a box of class predict)")
    heading = r"^\s*(?:#{2,}\s+|[`:]{3,}\{\w+\}\s*|\*\*)what can go wrong"
    if not re.search(heading, text, flags=re.M | re.I):
        found.append("no section 'What can go wrong'")
    return found


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        was_run,
        record_fits,
        figures_have_words,
        setup_is_shared,
        cells_are_short,
        file_is_small,
        no_errors,
        no_absolute_paths,
        nothing_heavy_stored,
        exercises_are_sound,
        terms_exist,
        citations_exist,
        glue_holds,
        length_is_right,
        parts_are_there,
    )
}


def problems(nb: Any, book: Book) -> list[str]:
    """Every complaint of every rule."""
    return [complaint for rule in RULES.values() for complaint in rule(nb, book)]


def defined_twice(notebooks: Mapping[str, Any]) -> list[str]:
    """Functions that two notebooks define: such a one belongs in tgan_lib."""
    homes: dict[str, list[str]] = {}
    for name, nb in notebooks.items():
        for function in set(functions(nb)):
            homes.setdefault(function, []).append(name)
    return [
        f"{function} is defined in {' and '.join(at)}"
        for function, at in sorted(homes.items())
        if len(at) > 1
    ]
