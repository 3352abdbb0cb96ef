"""Every exercise: right answers pass however they are spelt, the stub fails plainly, wrong ones are named."""

from __future__ import annotations

import importlib
import inspect
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from answers import Answer
from answers.image_gans import ema_reference, loss_raising, loss_reference, size_reference
from torch import nn

from tgan_lib.exercises import CHECKS, CheckResult, check, image_gans

CHAPTERS = sorted(path.stem for path in Path(__file__).parent.glob("answers/[a-z]*.py"))
ANSWERS = [importlib.import_module(f"answers.{chapter}") for chapter in CHAPTERS]
RIGHT: dict[str, list[Answer]] = {name: found for module in ANSWERS for name, found in module.RIGHT.items()}
WRONG: dict[str, list[tuple[Answer, str]]] = {
    name: found for module in ANSWERS for name, found in module.WRONG.items()
}

CASES_RIGHT = [(name, answer) for name, answers in RIGHT.items() for answer in answers]
CASES_WRONG = [(name, answer, phrase) for name, answers in WRONG.items() for answer, phrase in answers]


def test_every_exercise_is_tried() -> None:
    assert set(RIGHT) == set(WRONG) == set(CHECKS)
    assert all(len(answers) >= 3 for answers in WRONG.values())


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
    messages = [check(exercise, answer).message for answer, _ in WRONG[exercise]]
    assert len(set(messages)) == len(messages)


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

    message = check(exercise, forgets).message
    assert message.startswith("not written yet")
    assert "returns nothing" in message


@pytest.mark.parametrize("exercise", sorted(CHECKS))
def test_a_check_takes_under_two_seconds(exercise: str) -> None:
    began = time.perf_counter()
    check(exercise, RIGHT[exercise][0])
    assert time.perf_counter() - began < 2


def test_the_readers_line_is_shown() -> None:
    message = check("discriminator_loss", loss_raising).message
    assert "return F.binary_cross_entropy_with_logits(real, torch.ones(len(x), 1))" in message
    assert inspect.getsourcefile(loss_raising) not in message


def test_a_value_in_place_of_a_function() -> None:
    assert "without brackets" in check("upsampled_size", 14).message


def test_unknown_exercise() -> None:
    with pytest.raises(ValueError, match=r"no exercise named 'update_emma' \(did you mean 'update_ema'"):
        check("update_emma", ema_reference)


def test_the_callers_state_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with torch.no_grad():
        assert check("discriminator_loss", loss_reference)
        assert not torch.is_grad_enabled()
    assert torch.equal(before, torch.get_rng_state())


def test_what_a_terminal_shows(capsys: pytest.CaptureFixture[str]) -> None:
    check("upsampled_size", size_reference)
    check("upsampled_size", empty)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"upsampled_size: passed. Right for all {len(image_gans.LAYERS)} layers tried.",
        "upsampled_size: not written yet.",
    ]


def test_what_a_notebook_shows(capsys: pytest.CaptureFixture[str]) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    try:
        with capture_output() as seen:
            shell.run_cell("from tgan_lib.exercises import check", store_history=True)
            shell.run_cell("result = check('update_ema', None)\nresult", store_history=True)
            shell.run_cell("check('update_ema', None)", store_history=True)
        assert [sorted(output.data) for output in seen.outputs] == [["text/html", "text/plain"]] * 2
        with capture_output() as seen:
            shell.run_cell("result", store_history=True)
        assert len(seen.outputs) == 1
        assert "Not yet" in seen.outputs[0].data["text/html"]
    finally:
        InteractiveShell.clear_instance()


def test_the_box_escapes_what_it_quotes() -> None:
    box = CheckResult("update_ema", False, "your function raised <b>x</b> & more")._repr_html_()
    assert "&lt;b&gt;x&lt;/b&gt; &amp; more" in box
    assert "Not yet" in box
    assert ">p = q</code>" in CheckResult("x", False, "see `p = q`")._repr_html_()


def test_no_mistake_looks_like_another() -> None:
    """On the layers tried, every size formula gives different numbers, and none of them the right ones."""
    formulas = [size_reference, *(mistake for mistake, _ in image_gans.SIZE_MISTAKES)]
    results = [tuple(float(formula(*layer)) for layer in image_gans.LAYERS) for formula in formulas]
    assert len(set(results)) == len(results)
