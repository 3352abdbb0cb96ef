"""Which code cells of a chapter fold to a thin bar: a pure function of a cell's source and tags.

What teaches stays open: definitions, training, tensors at work. What folds is the set-up, imports, and cells that
mostly draw, print, glue and read stored results. The built page (code_on_demand.py) and the plain notebooks
(book/tools/plain.py) ask the same function. A tag decides before any rule: `show-input` keeps a cell open.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

SETUP = "# Setup, the same in every chapter."
FOLDED = {"hide-input", "hide-cell"}
GONE = {"remove-input", "remove-cell"}
KEPT = {"show-input", "exercise", "solution"}
RATIO = 0.6  # of teaching lines to reporting ones: above it a cell stays open
TEACHES_AT_MOST = 4  # lines of teaching that a folded cell may hold; with more it stays open

# Calls that draw or report, by what they start with.
REPORTS = set(
    "print glue display plt plots predict reveal Compare Explorer Frames Playground results study".split()  # noqa: SIM905
)
AXES = {"ax", "axes", "axis", "fig", "figure"}
TRAINS = {"backward", "train", "adapt", "fit", "zero_grad"}
# Calls that neither teach nor report: picking, counting and putting into words.
PLAIN_CALLS = set(
    "abs all any dict enumerate float format int len list max min next range reversed round set sorted str sum "  # noqa: SIM905
    "tuple zip append array cell count extend get index insert item items join keys lower lstrip mean median "
    "mean_range ljust pop replace rjust rstrip sort split std strip title tolist update upper values".split()
)


@dataclass(frozen=True)
class Lines:
    """How many lines of a piece of code report, and how many teach; the rest is neither."""

    report: int = 0
    teach: int = 0

    def __add__(self, other: Lines) -> Lines:
        return Lines(self.report + other.report, self.teach + other.teach)


@dataclass(frozen=True)
class Fold:
    """A cell that folds: what its bar says, and whether its output folds with it."""

    label: str
    output: bool = False


def fold(source: str, tags: Iterable[str] = ()) -> Fold | None:
    """What a cell folds to, None if it stays open (or is not there to be folded)."""
    marks = set(tags)
    lines = sum(1 for line in source.splitlines() if line.strip())
    count = f"{lines} line{'s' if lines != 1 else ''}"
    if marks & (KEPT | GONE) or not lines:
        return None
    if source.startswith(SETUP):
        return Fold(f"Set-up, {count}", output=True)
    if marks & FOLDED:
        return Fold(f"Code, {count}", output="hide-cell" in marks)
    try:
        tree = ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))
    except SyntaxError:
        return None
    if tree.body and all(isinstance(node, ast.Import | ast.ImportFrom | ast.Pass) for node in tree.body):
        return Fold(f"Imports, {count}")
    drawn = AXES | {name for node in ast.walk(tree) for name in canvases(node)}
    found = measure(tree.body, drawn)
    if found.report and found.teach <= min(TEACHES_AT_MOST, RATIO * found.report):
        return Fold(f"Code, {count}")
    return None


def canvases(node: ast.AST) -> Iterator[str]:
    """The names that an assignment or a loop gives to figures and axes."""
    if isinstance(node, ast.Assign) and {"plt", "plots"} & set(roots(node.value)):
        yield from (
            name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)
        )
    elif isinstance(node, ast.For) and AXES & {n.id for n in ast.walk(node.iter) if isinstance(n, ast.Name)}:
        first = node.target.elts[0] if isinstance(node.target, ast.Tuple) else node.target
        yield from (name.id for name in ast.walk(first) if isinstance(name, ast.Name))


def roots(node: ast.AST) -> Iterator[str]:
    """For each call inside, the name with which the called thing begins: `plt` of plt.gca().set(...)."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            thing: ast.AST = call.func
            while isinstance(thing, ast.Attribute | ast.Subscript | ast.Call):
                thing = thing.func if isinstance(thing, ast.Call) else thing.value
            yield thing.id if isinstance(thing, ast.Name) else ""


def called(node: ast.AST) -> set[str]:
    """The last names of all calls inside: `set` of ax.set(...)."""
    found = set()
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            found.add(getattr(call.func, "attr", getattr(call.func, "id", "")))
    return found


def measure(body: list[ast.stmt], drawn: set[str]) -> Lines:
    """The lines of statements, those inside of loops and functions one by one."""
    return sum((weigh(node, drawn) for node in body), Lines())


def weigh(node: ast.stmt, drawn: set[str]) -> Lines:
    """One statement's lines. A head (for, with, def) goes with what it holds."""
    bodies = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
    inside = [child for body in bodies for child in body if isinstance(child, ast.stmt)]
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if isinstance(node, ast.Import | ast.ImportFrom):
        return Lines(report=length)
    if isinstance(node, ast.ClassDef):
        return Lines(teach=length)
    if isinstance(node, ast.FunctionDef):
        own = measure(inside, drawn | (AXES & {arg.arg for arg in node.args.args}))
        return Lines(report=length) if own.report > own.teach else Lines(teach=length)
    if inside:
        head = inside[0].lineno - node.lineno
        own = measure(inside, drawn)
        return own + kind(own.report > own.teach)(max(head, 0))
    return simple(node, length, drawn)


def kind(reports: bool) -> Callable[[int], Lines]:
    return (lambda n: Lines(report=n)) if reports else (lambda n: Lines(teach=n))


def simple(node: ast.stmt, length: int, drawn: set[str]) -> Lines:
    """A statement without others inside."""
    names, begins = called(node), set(roots(node))
    if names & TRAINS:
        return Lines(teach=length)
    if isinstance(node, ast.Expr) and begins & (REPORTS | drawn):
        return Lines(report=length)
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return):
        value = node.value
        if value is None:
            return Lines()
        first = next(roots(value), "") if isinstance(value, ast.Call) else ""
        if first in REPORTS | drawn:
            return Lines(report=length)
        if begins - {""} <= REPORTS | drawn | PLAIN_CALLS and begins & REPORTS:
            return Lines(report=length)
        if names <= PLAIN_CALLS:  # nothing is computed: words, picks, literals
            words = any(isinstance(n, ast.JoinedStr) for n in ast.walk(value))
            return Lines(report=length if words else 0)
        return Lines(teach=length)
    return Lines(teach=length) if names - PLAIN_CALLS else Lines()
