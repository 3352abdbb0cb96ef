"""Checks of chapter 09, from a source to a target: what fits of a state dict, steps to a level, Adam's step, a blend.

State dicts are small ones with known numbers, curves are lists; a mistake is recognised by computing what that
mistake would give.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .core import NOTHING, Check, Raised, Wrong, call, close, wrong_if

Answer = Callable[..., Any]
State = dict[str, Tensor]

# --- copy_what_fits ---


def _source_state() -> State:
    """As of a network trained on grey images, with a batch norm and a layer that the target lacks."""
    return {
        "stem.weight": torch.arange(6.0).reshape(3, 2) + 10,
        "norm.running_var": torch.tensor([4.0, 5.0, 6.0]),
        "norm.num_batches_tracked": torch.tensor(700),
        "paint.weight": torch.arange(4.0).reshape(1, 4) + 30,
        "map.weight": torch.arange(6.0).reshape(2, 3) + 40,
        "old_head.weight": torch.ones(1, 3),
    }


def _target_state() -> State:
    """The same tensors in another order; `paint` and `map` have other shapes, and there is a new head."""
    return {
        "paint.weight": -torch.arange(12.0).reshape(3, 4) - 1,
        "map.weight": -torch.arange(6.0).reshape(3, 2) - 20,
        "stem.weight": -torch.arange(6.0).reshape(3, 2) - 40,
        "norm.running_var": -torch.ones(3),
        "norm.num_batches_tracked": torch.tensor(0),
        "new_head.weight": -torch.ones(1, 3) * 60,
    }


def check_copy_what_fits(answer: Answer) -> str:
    """`copy_what_fits(source, target)`: the source's tensor where name and shape agree, else the target's."""
    source, target = _source_state(), _target_state()
    try:
        got = call(answer, source=source, target=target)
    except Raised as error:
        raise Wrong(
            "it fails where a name is in both and the shapes differ, or a name is in one only: look at both before "
            f"you copy. Seen: {error}"
        ) from error
    wrong_if(got is None or got is ..., NOTHING)
    wrong_if(
        not isinstance(got, dict) or not all(isinstance(value, Tensor) for value in got.values()),
        f"your function returns {type(got).__name__}; a dictionary from names to tensors is wanted.",
    )
    _check_inputs_unchanged(source, _source_state(), "source")
    _check_inputs_unchanged(target, _target_state(), "target")
    _check_names(set(got), set(source), set(target))
    for name, value in _target_state().items():
        _check_tensor(name, got[name], value)
    return "What fits comes from the source, the rest stays, and both dictionaries are as they were."


def _check_inputs_unchanged(now: State, before: State, which: str) -> None:
    same = now.keys() == before.keys() and all(torch.equal(now[name], before[name]) for name in before)
    wrong_if(not same, f"`{which}` has changed: its dictionary or its tensors were written to. Make a new dictionary.")


def _check_names(got: set[str], source: set[str], target: set[str]) -> None:
    extra, missing = sorted(got - target), sorted(target - got)
    wrong_if(
        bool(extra),
        f"the result has {', '.join(map(repr, extra))}, which the target lacks; load_state_dict would refuse it.",
    )
    wrong_if(
        missing == sorted(target - source),
        f"the result lacks {', '.join(map(repr, missing))}, which is new in the target: what nothing fits keeps the "
        "target's own tensor.",
    )
    wrong_if(
        bool(missing),
        f"the result lacks {len(missing)} of the target's names: what does not fit keeps the target's own tensor.",
    )


def _check_tensor(name: str, got: Tensor, target: Tensor) -> None:
    theirs = _source_state().get(name)
    fits = theirs is not None and theirs.shape == target.shape
    right = theirs if fits and theirs is not None else target
    if got.shape == right.shape and torch.equal(got, right.to(got.dtype)):
        return
    wrong_if(
        got.shape != target.shape,
        f"{name!r} has shape {tuple(got.shape)}, and the target's network needs {tuple(target.shape)}: a name that is "
        "in both is not enough, the shapes must agree too.",
    )
    if theirs is not None and not fits:
        wrong_if(
            theirs.numel() == target.numel() and torch.equal(got.flatten(), theirs.flatten()),
            f"{name!r} was reshaped from {tuple(theirs.shape)} to {tuple(target.shape)}: as many numbers, but each "
            "at a place that it was not trained for. Leave it the target's own.",
        )
        wrong_if(
            torch.equal(got[0], theirs.flatten()[: got.shape[1]]) and not torch.equal(got, target),
            f"{name!r} was filled by spreading a smaller tensor over it (broadcasting): compare shapes first.",
        )
    wrong_if(
        fits and torch.equal(got, target),
        f"{name!r} fits, and is still the target's own. Buffers count too: a batch norm's statistics belong to its "
        "weights."
        if "norm" in name
        else f"{name!r} fits by name and shape, and is still the target's own.",
    )
    raise Wrong(f"{name!r} has numbers that belong to another tensor: pair tensors by their names, not by their order.")


# --- steps_to_reach ---

# (steps, curve, level, answer): falls and rises again; meets the level exactly; never; at step 0; between two readings.
CURVES: list[tuple[list[int], list[float], float, int | None]] = [
    ([10, 25, 50, 100, 200], [90.0, 41.0, 30.0, 22.0, 35.0], 40.0, 50),
    ([10, 25, 50, 100, 200], [90.0, 60.0, 40.0, 22.0, 12.0], 40.0, 50),
    ([0, 3, 10, 30], [80.0, 70.0, 65.0, 61.0], 60.0, None),
    ([0, 10, 20], [12.0, 30.0, 11.0], 20.0, 0),
    ([1, 2, 4, 8, 16, 32], [50.0, 19.0, 45.0, 18.0, 44.0, 17.0], 18.5, 8),
]


def _first(steps: list[int], curve: list[float], good: Callable[[float], bool]) -> int | None:
    return next((step for step, value in zip(steps, curve, strict=True) if good(value)), None)


def _interpolated(steps: list[int], curve: list[float], level: float) -> float | None:
    for i, value in enumerate(curve):
        if value <= level:
            if i == 0:
                return float(steps[0])
            share = (curve[i - 1] - level) / (curve[i - 1] - value)
            return steps[i - 1] + share * (steps[i] - steps[i - 1])
    return None


REACH_MISTAKES: list[tuple[Callable[[list[int], list[float], float], float | None], str]] = [
    (
        lambda s, c, level: _first(s, c, lambda v: v < level),
        "a reading that is exactly the level has reached it: compare with <=, not with <.",
    ),
    (
        lambda s, c, level: _first(s, c, lambda v: v >= level),
        "the comparison is turned: this is the first step at or *above* the level, and a distance is good when low.",
    ),
    (
        lambda s, c, level: _first(s[::-1], c[::-1], lambda v: v <= level),
        "this is the last step at or below the level; the question is when it was reached first.",
    ),
    (
        lambda s, c, level: s[c.index(min(c))],
        "this is the step of the smallest distance, whatever the level; the first at or below the level is asked for.",
    ),
    (
        lambda s, c, level: None if min(c) > level else s[c.index(min(c))],
        "this is the step of the smallest distance; the level may have been reached long before.",
    ),
    (
        lambda s, c, level: _first(list(range(len(s))), c, lambda v: v <= level),
        "this is the reading's place in the list; return the step that it was taken at.",
    ),
    (
        _interpolated,
        "this draws a line between two readings and reads a step off it; between them nothing was measured. Return "
        "the first step with a reading at or below the level.",
    ),
]


def check_steps_to_reach(answer: Answer) -> str:
    """`steps_to_reach(steps, curve, level)`: the first step with a reading at or below `level`, or None."""
    cases = [(list(steps), list(curve), level) for steps, curve, level, _ in CURVES]
    got = []
    for (steps, curve, level), (_, _, _, right) in zip(cases, CURVES, strict=True):
        try:
            got.append(call(answer, steps=steps, curve=curve, level=level))
        except Raised as error:
            if right is not None:
                raise
            raise Wrong(f"where the level is never reached, return None. Seen: {error}") from error
    wrong_if(all(value is None or value is ... for value in got), NOTHING)
    numbers = [_number(value) for value in got]
    for mistake, message in REACH_MISTAKES:
        wrong_if(_same(numbers, [mistake(*case) for case in cases]), message)
    never = [value for value, (_, _, _, right) in zip(numbers, CURVES, strict=True) if right is None]
    wrong_if(
        any(value is not None for value in never),
        f"where the level is never reached your function says {never[0]}; return None, or a table will show a step "
        "that never came.",
    )
    for (steps, curve, level), seen, (_, _, _, right) in zip(cases, numbers, CURVES, strict=True):
        wrong_if(
            not _same([seen], [right]),
            f"for steps {steps}, readings {curve} and level {level:g} your function says {seen}; {right} is right.",
        )
    return f"Right for all {len(CURVES)} curves, the one that never gets there included."


def _number(value: Any) -> float | None:
    if value is None:
        return None
    wrong_if(isinstance(value, bool), f"your function returns {value}: return the step, not whether there is one.")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"your function returns {value!r}; one step, or None, is wanted.") from None


def _same(a: list[float | None], b: list[float | None]) -> bool:
    return all(
        (x is None) == (y is None) and (x is None or y is None or math.isclose(x, y)) for x, y in zip(a, b, strict=True)
    )


# --- adam_step ---

BETA1, BETA2, EPSILON = 0.5, 0.9, 1e-8


def adam_by(
    g: Tensor, m: Tensor, v: Tensor, t: int, *, b1: float = BETA1, b2: float = BETA2, wrong: str = ""
) -> Tensor:
    """Adam's step in units of the rate (Kingma and Ba 2015, algorithm 1); `wrong` names a mistake to make."""
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    t = t + 1 if wrong == "one late" else t
    m_hat = m if wrong in ("no correction", "v alone") else m / (1 - b1**t)
    v_hat = v if wrong in ("no correction", "m alone") else v / (1 - b2**t)
    if wrong == "no root":
        return m_hat / (v_hat + EPSILON)
    if wrong == "no epsilon":
        return m_hat / v_hat.sqrt()
    return m_hat / ((v_hat + EPSILON).sqrt() if wrong == "inside" else v_hat.sqrt() + EPSILON)


def check_adam_step(answer: Answer) -> str:
    """`adam_step(gradient, m, v, t)`: m_hat / (sqrt(v_hat) + 1e-8), betas 0.5 and 0.9, moments from before the step."""
    zero = torch.zeros(3, dtype=torch.float64)
    g = torch.tensor([0.5, -2.0, 1e-5], dtype=torch.float64)
    m = torch.tensor([0.3, 0.4, -0.2], dtype=torch.float64)
    v = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    cases = [(g, zero, zero, 1), (g, m, v, 7)]  # fresh, and carried
    got = [_vector(call(answer, gradient=g, m=m.clone(), v=v.clone(), t=t)) for g, m, v, t in cases]
    fresh, carried = got
    rights = [adam_by(*case) for case in cases]

    def looks_like(**how: Any) -> bool:
        return all(close(seen, adam_by(*case, **how)) for seen, case in zip(got, cases, strict=True))

    for how, message in ADAM_MISTAKES:
        wrong_if(looks_like(**how), message)
    wrong_if(
        all(close(seen, -right) for seen, right in zip(got, rights, strict=True)),
        "the sign is turned: return the step itself; the optimiser subtracts it.",
    )
    wrong_if(
        close(fresh, rights[0]) and close(carried, adam_by(g, zero, zero, 1)),
        "the moments and the count that are given are not used: this is a fresh optimiser's first step, every time.",
    )
    wrong_if(
        close(fresh, rights[0]) and close(carried, adam_by(g, m, v, 1)),
        "the carried moments are corrected as if this were step 1: the correction fades with t.",
    )
    wrong_if(
        close(carried, adam_by(g, zero, v, 7)) or close(carried, adam_by(g, m, zero, 7)),
        "one of the two moments that are given is not used; both are carried.",
    )
    wrong_if(
        not close(fresh, rights[0]),
        f"with fresh moments at t = 1 your step is {_listed(fresh)}; the correction makes it the gradient's sign, "
        f"{_listed(rights[0])}.",
    )
    wrong_if(
        not close(carried, rights[1]),
        f"right with fresh moments; with carried ones your step is {_listed(carried)} and should be "
        f"{_listed(rights[1])}.",
    )
    return "A fresh optimiser's first step is the gradient's sign; a carried one's knows how large gradients were."


ADAM_MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"wrong": "no correction"},
        "the bias correction is missing: divide the moments by 1 - beta ** t, or the first steps of a fresh optimiser "
        "are of the wrong size.",
    ),
    ({"wrong": "m alone"}, "only the first moment is corrected; v needs its 1 - beta2 ** t too."),
    ({"wrong": "v alone"}, "only the second moment is corrected; m needs its 1 - beta1 ** t too."),
    ({"wrong": "no root"}, "the root of the second moment is missing: v holds *squares* of gradients."),
    (
        {"wrong": "inside"},
        "epsilon is under the root, where 1e-8 counts as 1e-4: tiny gradients would hardly move their weights. Add it "
        "after the root.",
    ),
    (
        {"wrong": "no epsilon"},
        "epsilon is missing below the line: a weight that has never had a gradient would be moved by 0 / 0.",
    ),
    ({"wrong": "one late"}, "the correction is one step late: `t` counts this step already."),
    ({"b1": BETA2, "b2": BETA1}, "the betas are swapped: beta1 = 0.5 is m's, beta2 = 0.9 is v's."),
    ({"b1": 1 - BETA1, "b2": 1 - BETA2}, "beta is the share of the old moment that is kept, not of the new gradient."),
]


def _vector(value: Any) -> Tensor:
    wrong_if(value is None or value is ..., NOTHING)
    wrong_if(
        not isinstance(value, Tensor) or value.numel() != 3,
        "return one step for each weight, a tensor of the gradient's shape, and nothing else.",
    )
    found: Tensor = value.detach().double().reshape(3)
    wrong_if(
        not bool(found.isfinite().all()),
        "the step is not a number: either the root is of a negative v, which should average *squares* of gradients, or "
        "the correction divides by 0; at t = 1 it divides by 1 - beta ** 1.",
    )
    return found


def _listed(values: Tensor) -> str:
    return "(" + ", ".join(f"{float(v):.3g}" for v in values) + ")"


# --- blend_states ---


def _pair() -> tuple[State, State]:
    source = {
        "weight": torch.tensor([[1.0, -2.0], [0.5, 3.0]]),
        "running_mean": torch.tensor([0.2, -0.4]),
        "running_var": torch.tensor([1.0, 3.0]),
        "num_batches_tracked": torch.tensor(100),
    }
    target = {
        "weight": torch.tensor([[3.0, 2.0], [-1.5, 1.0]]),
        "running_mean": torch.tensor([1.2, 0.6]),
        "running_var": torch.tensor([2.0, 0.5]),
        "num_batches_tracked": torch.tensor(707),
    }
    return source, target


def check_blend_states(answer: Answer) -> str:
    """`blend_states(source, target, t)`: (1 - t) source + t target; of whole numbers the nearer one's."""
    for t in (0.25, 0.8, 0.0, 1.0):
        source, target = _pair()
        try:
            got = call(answer, source=source, target=target, t=t)
        except Wrong:  # torch says NotImplementedError where it cannot blend whole numbers
            floats = [{k: v for k, v in state.items() if v.is_floating_point()} for state in _pair()]
            call(answer, source=floats[0], target=floats[1], t=t)
            raise Wrong(
                "right as long as all are floats, but it fails at a whole number, as batch norm's count of batches is "
                "one: take the nearer model's."
            ) from None
        wrong_if(got is None or got is ..., NOTHING)
        wrong_if(not isinstance(got, dict), f"your function returns {type(got).__name__}; a dictionary is wanted.")
        kept = all(
            torch.equal(now[name], before[name])
            for now, before in zip((source, target), _pair(), strict=True)
            for name in before
        )
        wrong_if(not kept, "the models that were given have changed: the blend is a new dictionary of new tensors.")
        missing = sorted(source.keys() - got.keys())
        wrong_if(
            bool(missing),
            f"the blend lacks {', '.join(map(repr, missing))}: buffers belong to the network as its weights do.",
        )
        _check_blend(got, source, target, t)
    return "Weights and statistics lie on the line, whole numbers are the nearer model's, and both ends are exact."


def _check_blend(got: State, source: State, target: State, t: float) -> None:
    a, b = source["weight"], target["weight"]
    seen = got["weight"]
    wrong_if(
        t not in (0.0, 1.0) and close(seen, t * a + (1 - t) * b),
        "the ends are swapped: t = 0 is the source, t = 1 the target.",
    )
    wrong_if(t > 0 and close(seen, a + t * b), "the source's share is not taken back: (1 - t) of it is left at t.")
    wrong_if(not close(seen, (1 - t) * a + t * b), f"at t = {t:g} the weights are not (1 - t) source + t target.")
    mean = got["running_mean"]
    wrong_if(
        0 < t < 1 and (close(mean, source["running_mean"]) or close(mean, target["running_mean"])),
        "batch norm's running mean is one model's own while the weights are blended: blend the statistics too, they "
        "belong to the weights.",
    )
    wrong_if(
        not close(mean, (1 - t) * source["running_mean"] + t * target["running_mean"]),
        f"at t = {t:g} the running mean is not (1 - t) source + t target.",
    )
    wrong_if(
        not close(got["running_var"], (1 - t) * source["running_var"] + t * target["running_var"]),
        f"at t = {t:g} the running variance is not (1 - t) source + t target.",
    )
    count = got["num_batches_tracked"]
    wrong_if(
        count.is_floating_point(),
        "the count of batches has become a float: whole numbers are not blended, take the nearer model's.",
    )
    nearer = source["num_batches_tracked"] if t < 0.5 else target["num_batches_tracked"]
    wrong_if(
        math.isclose(float(count), (1 - t) * 100 + t * 707, abs_tol=1.0) and 0 < t < 1,
        "the count of batches was blended and rounded; no model ever counted that. Take the nearer model's.",
    )
    wrong_if(
        int(count) != int(nearer),
        f"at t = {t:g} the count of batches is {int(count)}; the nearer model's is {int(nearer)}.",
    )


CHECKS: dict[str, Check] = {
    "copy_what_fits": check_copy_what_fits,
    "steps_to_reach": check_steps_to_reach,
    "adam_step": check_adam_step,
    "blend_states": check_blend_states,
}
