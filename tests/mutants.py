"""Every solution of the book with one thing changed, and what `check` says of each.

    python tests/mutants.py [EXERCISE ...] [--show]

A mutant is a solution whose syntax tree differs in one place (see `mutation`): a sign, an axis, mean for sum, a detach
too many or too few, a clamp, a slice, a constant, two arguments exchanged, an input written to, NaN. A check that lets
one pass lets a wrong answer pass, unless the mutant is right all the same; those that are stand in `mutants_right.py`,
each with its reason. The run fails where another passes.
"""

from __future__ import annotations

import argparse
import ast
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "book" / "tools"), str(Path(__file__).parent)]

from exercises import exercise_name, pairs  # noqa: E402
from mutants_right import RIGHT  # noqa: E402
from mutation import Mutant, mutants  # noqa: E402
from notebooks import code_cells, notebook_paths, read  # noqa: E402

SECONDS = 30  # for one mutant: a loop may have become endless


@dataclass(frozen=True)
class Solution:
    """An exercise's solution: its function, and the notebook's imports and functions that it may use."""

    exercise: str
    function: ast.FunctionDef
    around: str


def solutions() -> Iterator[Solution]:
    """Every solution of every chapter, in the chapters' order."""
    for path in notebook_paths():
        nb = read(path)
        solved = [cell for _, cell in pairs(nb)]
        plain = [
            cell.source for cell in code_cells(nb)[1:] if cell not in solved and "%" not in cell.source[:1]
        ]
        kept = [
            node
            for source in plain
            for node in ast.parse(source).body
            if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        around = "\n".join(ast.unparse(node) for node in kept)
        for cell in solved:
            name = exercise_name(cell.source)
            (function,) = (node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef))
            assert name is not None
            yield Solution(name, function, around)


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError("the mutant took too long")


def survivors(solution: Solution) -> tuple[str, int, list[Mutant]]:
    """(the exercise, how many mutants there were, those that its check lets pass).

    ValueError where the solution itself does not pass.
    """
    from tgan_lib.exercises import CHECKS, judge

    def passes(source: str) -> bool:
        names: dict[str, Any] = {}
        exec(compile(f"{solution.around}\n{source}", f"<{solution.exercise}>", "exec"), names)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            return judge(CHECKS, solution.exercise, names[solution.function.name]).passed
        except TimeoutError:
            return False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    signal.signal(signal.SIGALRM, _too_long)
    warnings.simplefilter("ignore")
    if not passes(ast.unparse(solution.function)):
        raise ValueError(f"the solution of {solution.exercise} does not pass its own check")
    found = list(mutants(solution.function))
    return solution.exercise, len(found), [mutant for mutant in found if passes(mutant.source)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exercise", nargs="*", help="only these")
    parser.add_argument("--show", action="store_true", help="the source of each survivor")
    arguments = parser.parse_args()
    chosen = [s for s in solutions() if not arguments.exercise or s.exercise in arguments.exercise]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        judged = list(pool.imap_unordered(survivors, chosen))
    total = sum(n for _, n, _ in judged)
    right = wrong = 0
    for exercise, n, alive in sorted(judged):
        known = RIGHT.get(exercise, {})
        stale = known.keys() - {mutant.what for mutant in alive}
        print(
            f"{exercise}: {n} mutants, {len(alive)} pass, {len(alive) - len(known) + len(stale)} of them unexplained"
        )
        for mutant in alive:
            if mutant.what in known:
                right += 1
                continue
            wrong += 1
            print(f"    passes: {mutant.what}")
            if arguments.show:
                print("        " + mutant.source.replace("\n", "\n        "))
        for what in sorted(stale):
            print(f"    mutants_right.py explains one that does not pass any more: {what}")
    caught = total - right - wrong
    print(
        f"{total} mutants of {len(judged)} solutions: {caught} caught, {right} right all the same, {wrong} let pass"
    )
    print(f"of the wrong ones {100 * caught / max(1, caught + wrong):.2f} % are caught")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
