"""Wrong variants of the solutions do not pass (all of them: `make mutants`), and a check that lets one pass is seen."""

from __future__ import annotations

import ast

import mutants
import pytest
from mutants import Solution, solutions, survivors
from mutants_right import RIGHT
from mutation import mutants as mutants_of

from tgan_lib import exercises

SOLUTIONS = {solution.exercise: solution for solution in solutions()}
FEW = ("generator_slopes", "update_ema")  # tried whenever tests run


def test_every_exercise_has_a_solution() -> None:
    assert set(SOLUTIONS) == set(exercises.CHECKS)
    assert set(RIGHT) <= set(SOLUTIONS)


@pytest.mark.parametrize(
    "exercise", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in SOLUTIONS]
)
def test_only_right_mutants_pass(exercise: str) -> None:
    _, tried, alive = survivors(SOLUTIONS[exercise])
    assert tried > 20
    assert {mutant.what for mutant in alive} == set(RIGHT.get(exercise, {}))


def test_a_check_that_lets_a_wrong_one_pass_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_looks_at_the_type(answer: object) -> str:
        assert isinstance(answer(3, 4, 2, 1), (int, float))  # type: ignore[operator]
        return "a number."

    monkeypatch.setitem(exercises.CHECKS, "upsampled_size", only_looks_at_the_type)
    _, tried, alive = survivors(SOLUTIONS["upsampled_size"])
    assert len(alive) > tried / 2


def test_a_solution_that_does_not_pass_is_refused() -> None:
    (wrong,) = ast.parse("def upsampled_size(size, kernel, stride, padding):\n    return size").body
    assert isinstance(wrong, ast.FunctionDef)
    with pytest.raises(ValueError, match="does not pass its own check"):
        survivors(Solution("upsampled_size", wrong, ""))


def test_each_kind_of_slip_is_made() -> None:
    source = "def f(x, y):\n    z = g(x[1:], 0.5, dim=1).detach()\n    return -z.mean(0) if x < y else z + y"
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    made = {mutant.what for mutant in mutants_of(function)}
    for what in (
        "-z.mean(0) -> without the sign",
        "z.mean(0) -> sum",
        "z + y -> Sub",
        "x < y -> GtE",
        "0.5 -> 0",
        "x[1:] -> lower + 1",
        "g(x[1:], 0.5, dim=1).detach() -> without .detach()",
        "g(x[1:], 0.5, dim=1) -> arguments 0 and 1 exchanged",
        "g(x[1:], 0.5, dim=1) -> without dim=",
        "x and y exchanged",
        "then x.data.mul_(1.5)",
    ):
        assert what in made, sorted(made)
    assert any("nan" in what for what in made)
    assert mutants.SECONDS > 0
