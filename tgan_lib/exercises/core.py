"""What every check stands on: calling the reader's function, wording what went wrong, showing the verdict.

A check is a function of the answer. It returns one sentence saying what was found right, or raises `Wrong`
with one saying what was not.
"""

from __future__ import annotations

import dis
import html
import inspect
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import torch

from ..errors import one_of
from .state import Surroundings, has_nan

Check = Callable[[Any], str]

NOT_WRITTEN = "not written yet"
NOTHING = "your function returns nothing: end it with `return`."
NAN = "your function makes NaN, which is no number: something overflows, or is 0 / 0."
PASSED = "passed. "
LONGEST = 500  # characters of a message
UNLIKELY = 8128  # a seed that no answer is likely to set


class Wrong(Exception):  # noqa: N818 - an answer can be wrong without any error
    """The answer is not right, and the message says how."""


class Raised(Wrong):
    """The answer raised an exception of its own."""


def wrong_if(mistaken: bool | torch.Tensor, message: str) -> None:
    """Raise `Wrong(message)` if the mistake is there."""
    if mistaken:
        raise Wrong(message)


@dataclass(frozen=True)
class CheckResult:
    """One verdict: which exercise, whether the answer passed, and one plain message. True if it passed."""

    exercise: str
    passed: bool
    message: str
    _shown: list[object] = field(default_factory=list, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return f"{self.exercise}: {self.message}"

    def _repr_html_(self) -> str:
        """A box with a coloured edge. Words say what the colour says, and text has the output's own colour:
        a theme's colour for code need not fit the ground that the theme gives to outputs.
        """
        colour, word = ("46,125,50", "Passed") if self.passed else ("230,120,0", "Not yet")
        style = f"border-left:5px solid rgb({colour});background:rgba({colour},.12);padding:.5em 1em"
        text = html.escape(f"`{self.exercise}`: {self.message.removeprefix(PASSED)}")
        text = re.sub("`([^`]+)`", r'<code style="color:inherit;background:none;border:0">\1</code>', text)
        return f'<div role="status" style="{style}"><b>{word}</b> · {text}</div>'

    def show(self) -> None:
        """A box in a notebook, a line of text elsewhere."""
        shell = _shell()
        if shell is None:
            print(self)
            return
        from IPython.display import display

        display({"text/plain": str(self), "text/html": self._repr_html_()}, raw=True)
        self._shown.append(shell.execution_count)

    def _ipython_display_(self) -> None:
        """`check(...)` at a cell's end has shown its verdict; in a later cell the result shows again."""
        shell = _shell()
        if shell is None or shell.execution_count not in self._shown:
            self.show()


def _shell() -> Any:
    """The running IPython, or None. IPython is looked up, not imported: a plain script has no need of it."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module else None


@dataclass
class _Trial:
    """What the answer under judgement has returned so far."""

    returned: list[object] = field(default_factory=list)
    nan: bool = False


_TRIAL: ContextVar[_Trial | None] = ContextVar("_TRIAL", default=None)


def judge(checks: Mapping[str, Check], exercise: str, answer: object) -> CheckResult:
    """The verdict on one answer, shown to nobody. ValueError for an unknown exercise.

    No exception of the answer's leaves this, wherever it is raised, and the global random state, the default dtype
    and the gradient mode are put back. The answer runs in float32 with gradients on, whatever the caller's modes are.
    """
    one_of("exercise", exercise, checks)
    trial, surroundings = _Trial(), Surroundings.now()
    token = _TRIAL.set(trial)
    try:
        _require_function(answer)
        torch.manual_seed(UNLIKELY)
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)
        message = checks[exercise](answer)
        wrong_if(trial.nan, NAN)
    except Wrong as wrong:
        return CheckResult(exercise, False, one_line(str(wrong)))
    except (Exception, SystemExit) as error:  # what came back made the check itself stumble
        if trial.nan:
            return CheckResult(exercise, False, NAN)
        seen = f"your function returned {shown(trial.returned[-1])}" if trial.returned else "no call came back"
        return CheckResult(
            exercise, False, one_line(f"could not be judged: {seen}, and looking at it raised {safe(error)}.")
        )
    finally:
        _TRIAL.reset(token)
        surroundings.restore()
    return CheckResult(exercise, True, one_line(PASSED + message))


def one_line(message: str) -> str:
    """The message on one line, with at most 500 characters."""
    line = " ".join(message.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def shown(value: object) -> str:
    """A value in a few words, whatever it is: its `repr` may be long, or raise."""
    if isinstance(value, torch.Tensor) and value.numel() > 1:
        return f"a tensor of shape {tuple(value.shape)}"
    try:
        text = " ".join(repr(value).split())
    except Exception:
        return _a(type(value).__name__)
    return text if len(text) <= 60 else _a(type(value).__name__)


def safe(error: BaseException) -> str:
    """An exception's type and the first line of what it says, if it says anything."""
    try:
        message = str(error).strip().split("\n")[0].rstrip(".")
    except Exception:
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _require_function(answer: object) -> None:
    """Refuse what cannot be called, and an empty function."""
    if answer is None or answer is ... or is_stub(answer):
        raise Wrong(f"{NOT_WRITTEN}.")
    if not callable(answer):
        raise Wrong(
            f"the answer is {_a(type(answer).__name__)}, and a function is wanted: "
            "give its name without brackets, as in check(..., my_function)."
        )


def own_code(answer: object) -> CodeType | None:
    """The bytecode of a Python function, under decorators such as @torch.no_grad(), or None."""
    code = getattr(inspect.unwrap(answer), "__code__", None) if callable(answer) else None
    return code if isinstance(code, CodeType) else None


def is_stub(answer: object) -> bool:
    """True for a Python function whose body is only `...`, `pass` or `return None`: it computes nothing."""
    code = own_code(answer)
    if code is None:
        return False
    idle = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    empty = (None, ..., getattr(answer, "__doc__", None))
    return all(step.opname in idle for step in dis.get_instructions(code)) and all(
        constant in empty for constant in code.co_consts
    )


def call(answer: Callable[..., Any], /, **arguments: Any) -> Any:
    """The answer's value for these arguments, by name if its own names agree, else in the order given.

    Raises `Wrong` for a function that takes other arguments, is not written yet, or draws from a global random
    generator or switches gradients or the default dtype; and `Raised`, with the reader's own line, for one that raises
    an exception or SystemExit.
    """
    return _called(answer, arguments, draws=False)


def call_drawing(answer: Callable[..., Any], /, **arguments: Any) -> Any:
    """As `call`, for an answer that may draw from the global random generators."""
    return _called(answer, arguments, draws=True)


def _called(answer: Callable[..., Any], arguments: dict[str, Any], *, draws: bool) -> Any:
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # some built-in functions have none
        signature = None
    args, kwargs = _arranged(signature, arguments)
    before = Surroundings.now()
    if not draws:
        torch.manual_seed(UNLIKELY)
    during = Surroundings.now()
    try:
        value = answer(*args, **kwargs)
    except (Exception, SystemExit) as error:
        if isinstance(error, NotImplementedError) and raised_by(answer, error):
            raise Wrong(f"{NOT_WRITTEN}.") from None
        raise Raised(f"your function raised {describe(error, answer)}") from error
    finally:
        changed = during.changed(draws=draws)
        if draws:
            torch.set_grad_enabled(before.grad)
            torch.set_default_dtype(before.dtype)
        else:
            before.restore()
    trial = _TRIAL.get()
    if trial is not None:
        trial.returned.append(value)
        trial.nan |= has_nan(value) or has_nan(list(arguments.values()))
    wrong_if(changed is not None, changed or "")
    return value


def _arranged(signature: inspect.Signature | None, arguments: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments as the function wants them: by name, or else by position."""
    if signature is None:
        return tuple(arguments.values()), {}
    for args, kwargs in (((), arguments), (tuple(arguments.values()), {})):
        try:
            signature.bind(*args, **kwargs)
        except TypeError:
            continue
        return args, kwargs
    raise Wrong(f"your function takes {signature}; this exercise calls it with ({', '.join(arguments)}).")


def raised_by(answer: object, error: BaseException) -> bool:
    """True where a `raise` of the answer's own made the error, and not something that it calls, as torch may."""
    code, step = own_code(answer), error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if code is None or step is None or step.tb_frame.f_code.co_filename != code.co_filename:
        return False
    return step.tb_frame.f_code.co_code[step.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def describe(error: BaseException, answer: object) -> str:
    """An exception in one line: its type, its message's first line, and the answer's own line of source."""
    text = f"{safe(error)}."
    code = own_code(answer)
    own_file = code.co_filename if code else None
    steps = traceback.walk_tb(error.__traceback__)
    lines = [number for frame, number in steps if frame.f_code.co_filename == own_file]
    source = linecache.getline(own_file, lines[-1]).strip() if own_file and lines else ""
    return f"{text} It happened at your line `{source}`." if source else text


def scalar(value: Any, what: str) -> torch.Tensor:
    """`value` as a 0-d tensor that keeps its gradient, or `Wrong`. `what` is its name: "the loss"."""
    if value is None or value is ...:
        raise Wrong(NOTHING)
    if isinstance(value, (tuple, list, dict)):
        raise Wrong(f"your function returns {_a(type(value).__name__)}; return {what} alone, one number.")
    if isinstance(value, (int, float)):
        raise Wrong(
            f"your function returns {_a(type(value).__name__)}, which no gradient can flow through; "
            "return the tensor itself, without .item() or float()."
        )
    if not isinstance(value, torch.Tensor):
        raise Wrong(f"your function returns {_a(type(value).__name__)}; {what} is a tensor with one number.")
    if value.numel() != 1:
        raise Wrong(
            f"your function returns a tensor of shape {tuple(value.shape)}; {what} is one number: "
            "take the mean over the batch."
        )
    return value.reshape(())


def close(a: float | torch.Tensor, b: float | torch.Tensor, tolerance: float = 1e-4) -> bool:
    """True where two numbers or tensors of one shape agree to a relative (below 1: absolute) tolerance."""
    x, y = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    return x.shape == y.shape and torch.allclose(x, y, rtol=tolerance, atol=tolerance)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0].lower() in "aeiou" else f"a {noun}"
