"""How a verdict is worded and shown: in a terminal, in a notebook, and what judging leaves as it was."""

from __future__ import annotations

import inspect

import pytest
import torch
from answers.image_gans import ema_reference, loss_raising, loss_reference, size_reference

from tgan_lib.exercises import CheckResult, check, image_gans


def empty(a, b, c, d=0):
    """A docstring, and nothing else."""
    ...


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
