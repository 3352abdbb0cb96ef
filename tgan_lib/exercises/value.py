"""`Value`: a check said once, as the right function, what it is given, and a table of mistakes.

A check made of `Value`s calls the answer on given inputs and sees that inputs, networks and random generators are as
before; compares what comes back with what `right` makes of the same inputs, and names the mistake that would make it
where it is another; and last compares gradients. Mistakes are functions like the answer (or a table of their values),
so the tests take them as wrong answers.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from .core import NOTHING, Raised, Wrong, call, call_drawing, shown, wrong_if
from .outcome import Outcome, Reading, Tolerance, described, outcome, short
from .state import difference, snapshot, tensors_of

Arguments = tuple[Any, ...]
Given = Sequence[Arguments] | Callable[[], Sequence[Arguments]]
Function = Callable[..., Any]
Mistakes = Mapping[str, Any] | Callable[..., Mapping[str, Any]]


class Either(tuple[Any, ...]):
    """Several mistakes that one message names."""


def either(*mistakes: Any) -> Either:
    return Either(mistakes)


@dataclass(frozen=True, kw_only=True)
class Value:
    """One stretch of a check.

    Args:
        right: the right function, with the exercise's own argument names.
        given: the inputs of each call, as tuples in the order of `right`'s arguments, copied for each call; or a
            function that makes them afresh, called with torch's seed at 0.
        mistakes: message -> a function like the answer that makes this mistake (or `either(...)` of several, or the
            wrong value itself where there is one call); or a function of the arguments that returns such a table of
            wrong *values*. One that gives the right value and wrong gradients is named among the gradients.
        signs: message -> a test of the wrong value and the arguments, for families of mistakes that no function
            covers. One that raises does not apply. The tests want a wrong answer of one's own for each.
        what: the value's name in messages: "the loss".
        hint: what to do about a wrong shape: "take the mean over the batch".
        wrong: any other wrong value, a template: `{got}` and `{right}` are the numbers furthest apart, `{part}` and
            `{place}` (a list) say where, `{at}` is the first argument's number there (where it has the value's
            shape); the arguments go by their names, as in `{size}` or `{logits[0]:g}`.
        overflow: the same for NaN and infinity.
        learns: arguments (tensors or networks) whose gradients must be those of `right`, None where `right`'s is.
        cut, slope: templates for no gradient at all, and for a wrong one; `{name}` is the argument.
        parts: names of a pair's parts, in order, for messages.
        seen: a function of (what was returned, *arguments) whose value is compared in its place: for what may come in
            several forms, or is written somewhere.
        changes: arguments that the exercise is meant to change. Without `seen`, their tensors are what is compared.
        marks: arguments that the answer may mark as wanting gradients.
        but: stands before every message of this stretch: "right for small logits, but ".
        fails: stands before what the answer raises, if it raises: "it fails where shapes differ. Seen: ".
        backward: the answer is meant to leave gradients in networks.
        draws: the answer may draw from the global random generator.
        dtype: the value's dtype must be that of `right`.
        tolerance: relative above 1 and absolute below, or a pair (relative, absolute).
    """

    right: Function
    given: Given
    mistakes: Mistakes = field(default_factory=dict)
    signs: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    what: str = "the value"
    hint: str = ""
    wrong: str = ""
    overflow: str = "your function makes {got} of it, which is no finite number: something overflows, or is 0 / 0."
    learns: Sequence[str] = ()
    cut: str = "no gradient reaches `{name}`: {what} is detached or computed under no_grad."
    slope: str = "the value is right, but its gradient in `{name}` is not: something on the way is detached."
    parts: Sequence[str] = ()
    seen: Callable[..., Any] | None = None
    changes: Sequence[str] = ()
    marks: Sequence[str] = ()
    but: str = ""
    fails: str = ""
    backward: bool = False
    draws: bool = False
    dtype: bool = False
    tolerance: float | tuple[float, float] = 1e-4

    def at(self, given: Given, **other: Any) -> Value:
        """The same function on other inputs, with no mistakes but those named here."""
        fresh = {"mistakes": {}, "signs": {}, "wrong": "", "but": "", "fails": ""}
        return replace(self, given=given, **(fresh | other))

    @property
    def names(self) -> list[str]:
        return list(inspect.signature(self.right).parameters)

    def cases(self) -> list[Arguments]:
        """The arguments of every call, fresh; those that learn want gradients."""
        if callable(self.given):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                cases = list(self.given())
        else:
            cases = copy.deepcopy(list(self.given))
        for case in cases:
            for name, value in zip(self.names, case, strict=True):
                if name in self.learns and isinstance(value, Tensor):
                    value.requires_grad_()
        return cases

    def __call__(self, answer: Function) -> None:
        """Raise `Wrong` where the answer is not right."""
        try:
            self._check(answer)
        except Wrong as wrong:
            raise type(wrong)(self.but + str(wrong)) from wrong

    def _check(self, answer: Function) -> None:
        likes = [self._value(self.right, case) for case in self.cases()]
        right, cases = self.outcomes(self.right), self.cases()
        values = [self._answered(answer, case) for case in cases]
        if any(value is None for value in values) and not any(like is None for like in likes):
            raise Wrong(NOTHING)
        found = [self._outcome(value, like, case) for value, like, case in zip(values, likes, cases, strict=True)]
        if not self.near.same_values(found, right):
            for message, mistake in self.mistaken(right):
                wrong_if(self.near.same_values(found, mistake), message)
            self._refuse(found, right)
        if self.learns and not self.near.same_slopes(found, right):
            for message, mistake in self.mistaken(right):
                alike = self.near.same_values(mistake, right) and self.near.same_slopes(found, mistake)
                wrong_if(alike, message)
            self._refuse_slopes(found, right)
        for value, like in zip(values, likes, strict=True):
            self._check_type(value, like)

    def _answered(self, answer: Function, case: Arguments) -> Any:
        """What the answer's call makes, once it is seen that all else is as it was."""
        before = {name: snapshot(value) for name, value in zip(self.names, case, strict=True)}
        caller = call_drawing if self.draws else call
        try:
            returned = caller(answer, **dict(zip(self.names, case, strict=True)))
        except Raised as error:
            raise Raised(self.fails + str(error)) from error
        for name, value in zip(self.names, case, strict=True):
            if name not in self.changes:
                told = difference(name, value, before[name], may_mark=name in self.marks, backward=self.backward)
                wrong_if(told is not None, told or "")
        return self._seen(returned, case)

    def _seen(self, returned: Any, case: Arguments) -> Any:
        if self.seen is not None:
            return self.seen(returned, *case)
        if self.changes:
            named = dict(zip(self.names, case, strict=True))
            return {k: t for name in self.changes for k, t in tensors_of(named[name], name).items()}
        return returned

    def _value(self, function: Function, case: Arguments) -> Any:
        return self._seen(function(*case), case)

    def outcomes(self, function: Function) -> list[Outcome]:
        """What a function of our own, right or mistaken, makes of every case."""
        cases = self.cases()
        return [self._outcome(value := self._value(function, case), value, case) for case in cases]

    def mistake_functions(self) -> Iterator[tuple[str, Function]]:
        """Every mistake as a function like the answer, with its message."""
        if callable(self.mistakes):
            for message, value in self.mistakes(*self.cases()[0]).items():
                for i in range(len(value) if isinstance(value, Either) else 1):
                    yield message, _from_table(self.mistakes, message, i)
            return
        for message, mistake in self.mistakes.items():
            for one in mistake if isinstance(mistake, Either) else (mistake,):
                yield message, one if callable(one) else (lambda *_, value=one: value)

    def mistaken(self, right: list[Outcome]) -> Iterator[tuple[str, list[Outcome]]]:
        """Every mistake's outcomes; gradients are worked out where the values are right."""
        if not callable(self.mistakes) or self.changes:
            for message, function in self.mistake_functions():
                yield message, self.outcomes(function)
            return
        cases = self.cases()
        tables = [self.mistakes(*case) for case in cases]
        for message, first in tables[0].items():
            for i in range(len(first) if isinstance(first, Either) else 1):
                values = [
                    self._seen(_one_of(table[message], i), case) for table, case in zip(tables, cases, strict=True)
                ]
                yield message, [self._outcome(value, value, case) for value, case in zip(values, cases, strict=True)]

    def _outcome(self, value: Any, like: Any, case: Arguments) -> Outcome:
        several = isinstance(value, (tuple, list, dict))
        wrong_if(
            several and isinstance(like, Tensor) and bool(self.learns),
            f"your function returns {shown(value)}; return {self.what} alone.",
        )
        if self.learns and isinstance(like, Tensor) and not isinstance(value, Tensor):
            raise Wrong(
                f"your function returns {shown(value)}, which no gradient can flow through; return the tensor itself, "
                "without .item() or float()."
            )
        targets = {
            label: tensor
            for name, argument in zip(self.names, case, strict=True)
            if name in self.learns
            for label, tensor in tensors_of(argument, name).items()
            if tensor.requires_grad
        }
        return outcome(Reading(self.what, self.hint, self.parts).parts(value, like), targets)

    @property
    def near(self) -> Tolerance:
        return Tolerance.of(self.tolerance)

    def _refuse(self, found: list[Outcome], right: list[Outcome]) -> None:
        """Say of a wrong value that is no known mistake what is wrong with it."""
        for case, seen, wanted in zip(self.cases(), found, right, strict=True):
            for key, part in seen.parts.items():
                if not self.near.alike(part, wanted.parts[key]):
                    self._refuse_part(dict(zip(self.names, case, strict=True)), key, part, wanted.parts[key])

    def _refuse_part(self, case: dict[str, Any], key: str, part: Tensor, wanted: Tensor) -> None:
        for message, sign in self.signs.items():
            wrong_if(_applies(sign, part, tuple(case.values())), message)
        wrong_if(part.shape != wanted.shape, Reading(self.what, self.hint, ()).wrong_shape(part, wanted, key))
        place = self.near.worst(part, wanted)
        got, should = float(part[place]), float(wanted[place])
        words = case | {"what": self.what, "part": key, "place": list(place), "got": got, "right": should}
        first = next(iter(case.values()), None)
        if isinstance(first, Tensor) and first.shape == part.shape:
            words["at"] = float(first.detach()[place])
        unbounded = ~part.isfinite() & wanted.isfinite()
        if bool(unbounded.any()):
            raise Wrong(self.overflow.format(**words | {"got": float(part[unbounded][0])}))
        if self.wrong:
            raise Wrong(self.wrong.format(**words))
        where = " ".join([f" ({key})"] * bool(key) + [f" at {list(place)}"] * bool(place))
        raise Wrong(
            f"{described(case)}{self.what}{where} is {short(got)} in your function; it should be {short(should)}."
        )

    def _refuse_slopes(self, found: list[Outcome], right: list[Outcome]) -> None:
        for seen, wanted in zip(found, right, strict=True):
            for label, slope in wanted.slopes.items():
                words: dict[str, Any] = {"name": label.split(".")[0], "what": self.what}
                got = seen.slopes[label]
                if slope is None:
                    wrong_if(
                        got is not None and bool(got.any()),
                        "gradients reach `{name}`, and should not, though the value is the same: detach on the way "
                        "to it.".format(**words),
                    )
                    continue
                if self.near.alike(torch.zeros_like(slope) if got is None else got, slope):
                    continue
                if got is None:
                    raise Wrong(self.cut.format(**words))
                place = self.near.worst(got, slope)
                raise Wrong(self.slope.format(**words, got=float(got[place]), right=float(slope[place])))

    def _check_type(self, value: Any, like: Any) -> None:
        """Right numbers of the wrong type."""
        floating = isinstance(value, float) or (isinstance(value, Tensor) and value.is_floating_point())
        wrong_if(
            isinstance(like, int) and not isinstance(like, bool) and floating,
            f"{self.what} is right, but {shown(value)} is a float and a whole number is wanted.",
        )
        seen, wanted = getattr(value, "dtype", type(value).__name__), getattr(like, "dtype", None)
        wrong_if(self.dtype and seen != wanted, f"the numbers are right, but their type is {seen}; {wanted} is wanted.")


@dataclass(frozen=True)
class Exercise:
    """A whole check: stretches in order, each a `Value` or a function of the answer that raises `Wrong`."""

    stretches: tuple[Callable[[Function], None], ...]
    passed: str

    def __call__(self, answer: Function) -> str:
        for stretch in self.stretches:
            stretch(answer)
        return self.passed

    @property
    def values(self) -> list[Value]:
        return [stretch for stretch in self.stretches if isinstance(stretch, Value)]


def exercise(*stretches: Callable[[Function], None], passed: str) -> Exercise:
    """A check of these stretches; `passed` says what was found right."""
    return Exercise(stretches, passed)


def _one_of(value: Any, i: int) -> Any:
    return value[i] if isinstance(value, Either) else value


def _from_table(table: Callable[..., Mapping[str, Any]], message: str, i: int) -> Function:
    def mistake(*arguments: Any) -> Any:
        return _one_of(table(*arguments)[message], i)

    return mistake


def _applies(sign: Callable[..., Any], part: Tensor, case: Arguments) -> bool:
    try:
        return bool(sign(part, *case))
    except Exception:  # a value of another shape than the sign looks for
        return False
