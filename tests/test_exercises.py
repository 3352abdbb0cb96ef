"""Every exercise: right answers pass however they are spelt, the stub fails plainly, wrong ones are named."""

from __future__ import annotations

import importlib
import inspect
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from answers import Answer
from torch import nn

from tgan_lib import exercises
from tgan_lib.exercises import CHECKS, check, judge
from tgan_lib.exercises.core import LONGEST, Wrong
from tgan_lib.exercises.value import Exercise, Value

CHAPTERS = sorted(path.stem for path in Path(__file__).parent.glob("answers/[a-z]*.py"))
ANSWERS = [importlib.import_module(f"answers.{chapter}") for chapter in CHAPTERS]
RIGHT: dict[str, list[Answer]] = {name: found for module in ANSWERS for name, found in module.RIGHT.items()}
WRONG: dict[str, list[tuple[Answer, str]]] = {
    name: found for module in ANSWERS for name, found in module.WRONG.items()
}

CASES_RIGHT = [(name, answer) for name, answers in RIGHT.items() for answer in answers]
CASES_WRONG = [(name, answer, phrase) for name, answers in WRONG.items() for answer, phrase in answers]
VALUES = [
    (name, i, value)
    for name, judged in CHECKS.items()
    if isinstance(judged, Exercise)
    for i, value in enumerate(judged.values)
]
NAMED = [f"{name}-{i}" for name, i, _ in VALUES]
CASES_NAMED = [
    pytest.param(name, mistake, value.but + message, id=f"{name}-{i}-{message[:30]}")
    for name, i, value in VALUES
    for message, mistake in value.mistake_functions()
]


def test_every_exercise_is_tried() -> None:
    assert set(RIGHT) == set(CHECKS)
    assert set(WRONG) <= set(CHECKS)
    files = {path.stem for path in (Path(inspect.getfile(Value)).parent).glob("[a-z]*.py")}
    chapters = {chapter.__name__.rpartition(".")[2] for chapter in exercises.CHAPTERS}
    assert files - chapters == {"core", "linear", "outcome", "state", "value"}, "a chapter is not in CHAPTERS"
    assert chapters == set(CHAPTERS), "a chapter's checks or its answers are missing"
    named = {name: sum(case.values[0] == name for case in CASES_NAMED) for name in CHECKS}
    few = [name for name in CHECKS if len(WRONG.get(name, [])) + named[name] < 3]
    assert not few, f"three wrong answers or more are wanted of {', '.join(few)}"


@pytest.mark.parametrize(("exercise", "mistake", "message"), CASES_NAMED)
def test_every_mistake_in_a_table_gets_its_own_message(exercise: str, mistake: Answer, message: str) -> None:
    assert judge(CHECKS, exercise, mistake).message == message


@pytest.mark.parametrize(("exercise", "i", "value"), VALUES, ids=NAMED)
def test_no_two_mistakes_look_alike(exercise: str, i: int, value: Value) -> None:
    """On what is given every mistake makes another value, or gradient, than the right answer and than the others."""
    right = value.outcomes(value.right)
    made = [("right", right), *value.mistaken(right)]
    alike = [
        (one, other)
        for k, (one, a) in enumerate(made)
        for other, b in made[:k]
        if one != other and value.near.same_values(a, b) and value.near.same_slopes(a, b)
    ]
    assert not alike


@pytest.mark.parametrize(("exercise", "answer"), CASES_RIGHT)
def test_right_answers_pass(exercise: str, answer: Answer) -> None:
    result = check(exercise, answer)
    assert result, result.message
    assert result.passed
    assert result.message.startswith("passed. ")


@pytest.mark.parametrize(("exercise", "answer", "phrase"), CASES_WRONG)
def test_wrong_answers_are_named(exercise: str, answer: Answer, phrase: str) -> None:
    result = check(exercise, answer)
    assert not result
    assert phrase in result.message
    assert "\n" not in result.message


@pytest.mark.parametrize("exercise", sorted(CHECKS))
def test_messages_differ(exercise: str) -> None:
    messages = [check(exercise, answer).message for answer, _ in WRONG.get(exercise, [])]
    assert len(set(messages)) == len(messages)
    assert all(len(message) <= LONGEST for message in messages)


def empty(a, b, c, d=0):
    """A docstring, and nothing else."""
    ...


@torch.no_grad()
def empty_and_decorated(a, b, c, d=0): ...


def unfinished(*arguments, **named):
    raise NotImplementedError("write me")


@pytest.mark.parametrize("exercise", sorted(CHECKS))
@pytest.mark.parametrize("stub", [empty, empty_and_decorated, unfinished, None, ..., lambda *a: None])
def test_stubs_fail_plainly(exercise: str, stub: Any) -> None:
    assert check(exercise, stub).message == "not written yet."


def test_what_torch_has_not_implemented_is_no_unwritten_answer() -> None:
    message = check("upsampled_size", lambda *arguments: nn.Module()(1)).message
    assert message.startswith("your function raised NotImplementedError")


@pytest.mark.parametrize("exercise", ["upsampled_size", "discriminator_loss"])
def test_a_forgotten_return_is_named(exercise: str) -> None:
    def forgets(*arguments):
        _ = len(arguments)

    assert "returns nothing" in check(exercise, forgets).message


class Lying:
    """An object that raises whatever it is asked."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("no")

    __len__ = __float__ = __eq__ = __iter__ = __repr__ = __bool__ = __getitem__ = _raise
    __hash__ = None


ODD: dict[str, Any] = {
    "text": "0.5",
    "bytes": b"1",
    "dictionary": {"a": 1, 2: None},
    "NaN": float("nan"),
    "NaN tensor": torch.tensor(torch.nan),
    "many NaN": torch.full((4, 3), torch.nan),
    "infinity": -torch.inf,
    "complex": 1j,
    "complex tensor": torch.tensor([1j, 2]),
    "empty": torch.empty(0),
    "empty list": [],
    "huge": 10**400,
    "huge tensor": torch.tensor(1e38) * 10,
    "long": "x" * 5000,
    "bools": torch.tensor([True, False]),
    "bytes tensor": torch.tensor(3, dtype=torch.uint8),
    "nested": [[1, [2, torch.ones(2)]], None],
    "pair": (torch.ones(2), "x"),
    "module": nn.Linear(1, 1),
    "class": nn.Linear,
    "generator": (x for x in ()),
    "numpy": np.ones((2, 3)),
    "numpy text": np.array(["a"]),
    "numpy objects": np.array([None, {}], dtype=object),
    "meta": torch.ones(3, device="meta"),
    "sparse": torch.eye(2).to_sparse(),
    "function": len,
    "lying": Lying(),
    "lying list": [Lying(), Lying()],
    "wide": torch.ones(1, 1, 1, 1, 1),
    "set": {1, 2},
    "optimisers": [torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)] * 3,
    "one summed number": torch.ones(3, requires_grad=True).sum(),
}


@pytest.mark.parametrize("exercise", sorted(CHECKS))
def test_no_odd_value_raises(exercise: str) -> None:
    for what, value in ODD.items():
        message = judge(CHECKS, exercise, lambda *_, value=value: value).message
        assert len(message) <= LONGEST, what
        assert "\n" not in message, what
        assert "not written yet" not in message, what


@pytest.mark.parametrize(
    "error", [SystemExit(3), RecursionError(), MemoryError(), StopIteration(), Exception("a\nb")]
)
@pytest.mark.parametrize("exercise", sorted(CHECKS))
def test_an_answers_exception_stays_inside(exercise: str, error: BaseException) -> None:
    def raises(*_: Any) -> None:
        raise error

    assert type(error).__name__ in judge(CHECKS, exercise, raises).message


def test_the_interrupt_key_is_let_through() -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(CHECKS, "js_from_logits", interrupted)


@pytest.mark.parametrize(
    ("meddle", "phrase"),
    [
        (lambda r: torch.manual_seed(0), "torch's global random generator"),
        (lambda r: torch.rand(1), "torch's global random generator"),
        (lambda r: np.random.rand(), "numpy's global random generator"),
        (lambda r: random.random(), "Python's global random generator"),
        (lambda r: torch.set_default_dtype(torch.float64), "default dtype"),
        (lambda r: torch.set_grad_enabled(False), "gradients are still switched off"),
        (lambda r: torch.use_deterministic_algorithms(True), "deterministic algorithms"),
        (lambda r: r.add_(1.0), "changed in place"),
        (lambda r: r.requires_grad_(), "wants gradients, and did not before"),
    ],
)
def test_side_effects_are_named_and_undone(meddle: Callable[[torch.Tensor], object], phrase: str) -> None:
    def meddling(real_logits, fake_logits):
        right = RIGHT["js_from_logits"][0](real_logits, fake_logits)
        meddle(real_logits)
        return right

    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy())
    assert phrase in check("js_from_logits", meddling).message
    assert torch.equal(before[0], torch.get_rng_state())
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_a_network_must_keep() -> None:
    """A `Value` whose argument is a network sees its modes, weights, buffers and gradients."""
    value = Value(
        right=lambda net, x: net(x).mean(),
        given=lambda: [(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval(), torch.randn(4, 2))],
    )
    meddling: dict[str, Callable[[nn.Module], object]] = {
        "eval mode before the call and is in training mode": lambda net: net.train(),
        "or a layer of it": lambda net: net[1].train(),
        "buffer `1.running_mean`": lambda net: net[1].running_mean.add_(1),
        "`0.weight`": lambda net: net[0].weight.data.add_(1),
        "no longer wants gradients": lambda net: net.requires_grad_(False),
        "calls backward": lambda net: net(torch.ones(2, 2)).sum().backward(),
    }
    for phrase, meddle in meddling.items():

        def answer(net, x, meddle=meddle):
            right = net(x).mean()
            meddle(net)
            return right

        with pytest.raises(Wrong, match=phrase):
            value(answer)
    value(lambda net, x: net(x).sum() / 8)


@pytest.mark.parametrize("exercise", sorted(CHECKS))
def test_a_check_takes_under_two_seconds(exercise: str) -> None:
    began = time.perf_counter()
    check(exercise, RIGHT[exercise][0])
    assert time.perf_counter() - began < 2
