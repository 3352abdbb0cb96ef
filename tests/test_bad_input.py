"""Bad input gets one plain sentence of ours: each public call, each of its arguments, replaced by what people pass.

A call either works with a value drawn, or raises one of ALLOWED from a `raise` of tgan_lib's own, in one line that
says what was seen. `python tests/test_bad_input.py [WORD]` tries every value on every argument of the calls whose
name holds the word, and prints what is left.
"""

from __future__ import annotations

import ast
import io
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from public_calls import CALLS as OWN
from public_modules import MODULE_CALLS
from torch import Tensor

import tgan_lib
from tgan_lib.errors import shown

HERE = Path(__file__).parent
LIBRARY = Path(tgan_lib.__file__).parent
ALLOWED = (ValueError, TypeError, FileNotFoundError, FloatingPointError, RuntimeError, MemoryError)
MOST_CHARACTERS = 300
CALLS = OWN | MODULE_CALLS


class Anything:
    """A class that can be called with whatever is passed to it."""

    def __init__(self, *values: Any, **named: Any) -> None: ...


# Made anew for each try, since some calls keep or change what they are given.
BAD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "0": lambda: 0,
    "-1": lambda: -1,
    "2": lambda: 2,
    "10**30": lambda: 10**30,
    "-10**30": lambda: -(10**30),
    "0.5": lambda: 0.5,
    "1e308": lambda: 1e308,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: float("-inf"),
    "1j": lambda: 1j,
    "numpy nan": lambda: np.float32("nan"),
    "numpy int": lambda: np.int64(1),
    "''": lambda: "",
    "word": lambda: "no such thing",
    "long word": lambda: "x" * 5000,
    "two lines": lambda: "one\ntwo",
    "number as word": lambda: "1",
    "nul": lambda: "a\0b",
    "bytes": lambda: b"1",
    "()": lambda: (),
    "[]": lambda: [],
    "{}": lambda: {},
    "[None]": lambda: [None],
    "['word']": lambda: ["word"],
    "(nan, nan)": lambda: (float("nan"), float("nan")),
    "(1, 2, 3)": lambda: (1, 2, 3),
    "(-1, -1)": lambda: (-1, -1),
    "('a', 'b')": lambda: ("a", "b"),
    "{'a': None}": lambda: {"a": None},
    "{1: 2}": lambda: {1: 2},
    "set": lambda: {1},
    "object": object,
    "class": lambda: Anything,
    "function": lambda: lambda *values, **named: None,
    "slice": lambda: slice(5, 5),
    "empty tensor": lambda: torch.zeros(0),
    "scalar tensor": lambda: torch.tensor(2.5),
    "no rows": lambda: torch.zeros(0, 1, 16, 16),
    "matrix": lambda: torch.ones(2, 3),
    "nan tensor": lambda: torch.full((4, 4), float("nan")),
    "int tensor": lambda: torch.ones(4, 4, dtype=torch.int64),
    "bool tensor": lambda: torch.ones(4, 1, 16, 16, dtype=torch.bool),
    "complex tensor": lambda: torch.ones(4, 4, dtype=torch.complex64),
    "wrong images": lambda: torch.zeros(4, 2, 16, 16),
    "wrong size": lambda: torch.zeros(4, 1, 9, 7),
    "array": lambda: np.ones((4, 4)),
    "words' array": lambda: np.array(["a", "b"]),
    "linear": lambda: torch.nn.Linear(2, 2),
    "identity": torch.nn.Identity,
}
# Made of the good value itself.
SPOILED: dict[str, Callable[[Any], Any]] = {
    "double": lambda x: x.double(),
    "half": lambda x: x.half(),
    "whole": lambda x: x.long(),
    "bits": lambda x: x.bool(),
    "complex": lambda x: x.to(torch.complex64),
    "one axis more": lambda x: x[None],
    "flat": lambda x: x.reshape(-1),
    "empty": lambda x: x[:0],
    "one row": lambda x: x[:1],
    "one row less": lambda x: x[:-1],
    "one column less": lambda x: x[..., :-1],
    "NaN inside": lambda x: torch.where(torch.arange(x.numel()).view(x.shape) == 0, torch.nan, x),
    "infinite inside": lambda x: torch.where(torch.arange(x.numel()).view(x.shape) == 0, torch.inf, x),
    "large": lambda x: x * 300,
    "as NumPy": lambda x: x.numpy(),
    "as a list": lambda x: x.tolist(),
}


@cache
def raises(file: str) -> frozenset[int]:
    """The lines of a file on which a `raise` stands."""
    tree = ast.parse(Path(file).read_text())
    spans = [
        range(n.lineno, (n.end_lineno or n.lineno) + 1) for n in ast.walk(tree) if isinstance(n, ast.Raise)
    ]
    return frozenset(line for span in spans for line in span)


def hints(value: Any, good: Any) -> list[str]:
    """Words of which one at least must stand in a message about `value`."""
    found = [
        shown(value),
        type(value).__name__,
        *([str(value)[:40]] if not isinstance(value, Tensor) else []),
    ]
    if isinstance(value, (list, tuple, dict, set, str, bytes)):
        found += [str(len(value)), *(shown(x) for x in value)]
        found += [shown(x) for x in value.values()] if isinstance(value, dict) else []
    if hasattr(value, "shape"):
        found += [str(tuple(value.shape)), str(value.dtype).removeprefix("torch."), *map(str, value.shape)]
        found += [shown(value.tolist()), shown(np.asarray(value).ravel()[:1].tolist())[1:-1]]
    if isinstance(value, (Tensor, np.ndarray, float, np.floating, tuple)):
        found += ["NaN", "nan", "inf", "finite"]
    if isinstance(value, torch.nn.Module) or callable(value):
        return [""]  # what comes of calling it is told
    if not value_is_true(value):
        found += ["empty", "no ", "0", "needs", "[]"]
    if isinstance(value, int):
        found += [f"{float(value)}", f"{float(value):g}", str(value - 1)]  # of 1 class: labels 0 to 0
    return [hint for hint in found if hint] + ["give"] * (value is None)


def value_is_true(value: Any) -> bool:
    try:
        return bool(len(value) if hasattr(value, "__len__") else value)
    except Exception:
        return True


def complaint(call: str, argument: str, make: Callable[[Any], Any]) -> str:
    """What is wrong with how `call` takes the value that `make` makes of the good one; empty where nothing is."""
    function, base = CALLS[call]
    arguments = base()
    good = arguments[argument]
    value = arguments[argument] = make(good)
    said = hints(value, good)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            function(**arguments)
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.lineno is not None]
        last, message = frames[-1], str(error)
        at = f"{os.path.relpath(last.filename, LIBRARY.parent)}:{last.lineno}"
        ours = [f for f in frames if Path(f.filename).is_relative_to(LIBRARY)]
        via = f"{os.path.relpath(ours[-1].filename, LIBRARY)}:{ours[-1].lineno}" if ours else "the call"
        text = f"{type(error).__name__}: {message.splitlines()[0][:140] if message else ''} ({via})"
        if type(error).__name__ == "TraitError":
            return f"raw {text}"
        given = Path(last.filename).parent == HERE and last.name == "<lambda>"  # a function of the table's
        if (callable(value) or given) and not Path(last.filename).is_relative_to(LIBRARY):
            return ""  # the error is that of what was given
        if not isinstance(error, ALLOWED):
            return f"raw {text}"
        if not Path(last.filename).is_relative_to(LIBRARY) or last.lineno not in raises(last.filename):
            return f"raw {text} at {at}"
        if "\n" in message or len(message) > MOST_CHARACTERS:
            return f"long {len(message)} {text}"
        if not any(hint in message for hint in said):
            return f"says nothing of the value seen {text}"
    finally:
        if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
            pyplot.close("all")
    return ""


def replaced_by(make: Callable[[], Any]) -> Callable[[Any], Any]:
    return lambda _: make()


def values(good: Any) -> dict[str, Callable[[Any], Any]]:
    """What may stand in place of a good value."""
    found = {name: replaced_by(make) for name, make in BAD.items()}
    return found | SPOILED if isinstance(good, Tensor) and good.ndim else found


@cache
def good_values(call: str) -> dict[str, Any]:
    return CALLS[call][1]()


# None of these is worth hours, or a memory, if it is taken for a number of things.
ANY = st.one_of(
    st.floats(), st.integers(-3, 3), st.integers(2**31), st.integers(max_value=-4), st.text(max_size=9)
)


@pytest.fixture(autouse=True, scope="module")
def elsewhere() -> Iterator[None]:
    """Names that are taken for paths write here."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.chdir(folder)
        patch.setenv("TGAN_BUDGET", "smoke")
        patch.setenv("MPLBACKEND", "Agg")
        yield


@pytest.mark.parametrize("call", CALLS)
@settings(max_examples=8, derandomize=True, deadline=None, database=None)
@given(st.data())
def test_bad_input_gets_one_sentence_of_ours(call: str, data: st.DataObject) -> None:
    argument = data.draw(st.sampled_from(sorted(good_values(call))), "argument")
    known = values(good_values(call)[argument])
    name = data.draw(st.sampled_from(sorted(known)) | ANY.map(lambda value: (value,)), "value")
    make = known[name] if isinstance(name, str) else lambda _: name[0]
    assert not complaint(call, argument, make)


@pytest.mark.parametrize("call", CALLS)
def test_the_good_values_are_good(call: str) -> None:
    function, base = CALLS[call]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        function(**base())


def every(word: str = "") -> None:
    """Print what is left, of every value on every argument."""
    for call, (_, base) in CALLS.items():
        if word not in call:
            continue
        for argument, good in base().items():
            for name, make in values(good).items():
                begun = time.perf_counter()
                signal.alarm(10)
                if said := complaint(call, argument, make):
                    print(f"{call}({argument}={name}): {said}", flush=True)
                if (taken := time.perf_counter() - begun) > 1:
                    print(f"{call}({argument}={name}): slow {taken:.1f} s", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyError("took 10 s")))
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["TGAN_BUDGET"] = "smoke"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        every(*sys.argv[1:])
