"""Checks of chapter 09, a source and a target: what fits of a state dict, steps to a level, Adam's step, a blend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .core import Check, call, close, wrong_if
from .value import Value, either, exercise

State = dict[str, Tensor]

# --- copy_what_fits ---

# Of a network trained on grey images, with a batch norm and a layer that the target lacks. The target has the same
# tensors in another order; `paint` and `map` have other shapes, and there is a new head. What stands first and last
# fits in both.
SOURCE: State = {
    "stem.weight": torch.arange(6.0).reshape(3, 2) + 10,
    "norm.running_var": torch.tensor([4.0, 5.0, 6.0]),
    "norm.num_batches_tracked": torch.tensor(700),
    "paint.weight": torch.arange(4.0).reshape(1, 4) + 30,
    "map.weight": torch.arange(6.0).reshape(2, 3) + 40,
    "old_head.weight": torch.ones(1, 3),
    "edge.bias": torch.tensor([7.0, -8.0]),
}
TARGET: State = {
    "edge.bias": torch.tensor([-7.0, 9.0]),
    "paint.weight": -torch.arange(12.0).reshape(3, 4) - 1,
    "map.weight": -torch.arange(6.0).reshape(3, 2) - 20,
    "stem.weight": -torch.arange(6.0).reshape(3, 2) - 40,
    "norm.num_batches_tracked": torch.tensor(0),
    "new_head.weight": -torch.ones(1, 3) * 60,
    "norm.running_var": -torch.ones(3),
}


BUFFERS = "norm.running_var", "norm.num_batches_tracked"


def copy_what_fits(source: State, target: State) -> State:
    return {k: source[k] if k in source and source[k].shape == v.shape else v for k, v in target.items()}


def fit_mistakes(source: State, target: State) -> dict[str, Any]:
    right, pool = copy_what_fits(source, target), list(source.values())
    fitting = [k for k in right if right[k] is not target[k]]

    def without(*names: str) -> State:
        return right | {k: target[k] for k in names}

    return {
        "a name that is in both is not enough: the shapes must agree too, or the target's network cannot load it.":
        {k: source.get(k, v) for k, v in target.items()},
        "the result has names that the target lacks; load_state_dict would refuse it.": source | right,
        "names are lacking: what is new in the target keeps the target's own tensor.":
        {k: v for k, v in right.items() if k in source},
        "names are lacking: what does not fit keeps the target's own tensor.": {k: right[k] for k in fitting},
        "a tensor was reshaped until it fitted: as many numbers, but each at a place that it was not trained for. "
        "Leave it the target's own.": right | {"map.weight": source["map.weight"].reshape(3, 2)},
        "a smaller tensor was spread over a larger one (broadcasting): compare shapes first.":
        right | {"paint.weight": source["paint.weight"].expand(3, 4)},
        "some have numbers that belong to another tensor: pair tensors by their names, not by their order.":
        {k: next((pool.pop(i) for i, t in enumerate(pool) if t.shape == v.shape), v) for k, v in target.items()},
        "a batch norm's statistics or its count are still the target's own: they are buffers and belong to the "
        "weights.": either(without(*BUFFERS), without(BUFFERS[0]), without(BUFFERS[1]), without(*BUFFERS, "edge.bias")),
        "nothing was copied: what fits by name and shape comes from the source.": target,
        "the first or the last tensor was passed over.": either(without("stem.weight"), without("edge.bias")),
    }  # fmt: skip


def fits_seen(returned: Any, source: State, target: State) -> Any:
    """What lies under each name of either, so that a lacking or a surplus name is a value too."""
    if not isinstance(returned, dict):
        return returned
    names = sorted(source | target)
    return {name: returned.get(name) for name in names} | {"other names": len(returned.keys() - set(names))}


FITS = Value(
    right=copy_what_fits,
    given=[(SOURCE, TARGET)],
    seen=fits_seen,
    mistakes=fit_mistakes,
    what="the state dict",
    hint="a tensor of the source's where name and shape agree, else the target's own",
    fails="it fails where a name is in both and the shapes differ, or a name is in one only: look at both before you "
    "copy. Seen: ",
    tolerance=0.0,
)

# --- steps_to_reach ---


def first(steps: list[int], curve: list[float], good: Callable[[float], bool]) -> int | None:
    return next((step for step, value in zip(steps, curve, strict=True) if good(value)), None)


def steps_to_reach(steps: list[int], curve: list[float], level: float) -> int | None:
    return first(steps, curve, lambda v: v <= level)


def interpolated(steps: list[int], curve: list[float], level: float) -> float | None:
    step = steps_to_reach(steps, curve, level)
    if step is None or step == steps[0]:
        return step
    i = steps.index(step)
    share = (curve[i - 1] - level) / (curve[i - 1] - curve[i])
    return steps[i - 1] + share * (step - steps[i - 1])


def reach_mistakes(s: list[int], c: list[float], level: float) -> dict[str, Any]:
    def low(v: float) -> bool:
        return v <= level

    right, lowest = first(s, c, low), s[c.index(min(c))]
    return {
        "a reading that is exactly the level has reached it: compare with <=, not with <.":
        first(s, c, lambda v: v < level),
        "the comparison is turned: this is the first step at or *above* the level, and a distance is good when low.":
        first(s, c, lambda v: v >= level),
        "this is the last step at or below the level; the question is when it was reached first.":
        first(s[::-1], c[::-1], low),
        "this is the step of the smallest distance; the level may have been reached long before, or never.":
        either(lowest, None if right is None else lowest),
        "this is the reading's place in the list; return the step that it was taken at.":
        first(list(range(len(s))), c, low),
        "this draws a line between two readings and reads a step off it; between them nothing was measured. Return the "
        "first step with a reading at or below the level.": interpolated(s, c, level),
        "return the step, not whether there is one.": right is not None,
        "step 0 is taken for no step at all: in Python 0 counts as False.": right or None,
        "the last reading is never looked at.": first(s[:-1], c[:-1], low),
        "the first reading is never looked at, and a run may start below the level.": first(s[1:], c[1:], low),
    }  # fmt: skip


# falls and rises again; meets the level exactly; never; at step 0; between two readings; at the end
CURVES = [
    ([10, 25, 50, 100, 200], [90.0, 41.0, 30.0, 22.0, 35.0], 40.0),
    ([10, 25, 50, 100, 200], [90.0, 60.0, 40.0, 22.0, 12.0], 40.0),
    ([0, 3, 10, 30], [80.0, 70.0, 65.0, 61.0], 60.0),
    ([0, 10, 20], [12.0, 30.0, 11.0], 20.0),
    ([1, 2, 4, 8, 16, 32], [50.0, 19.0, 45.0, 18.0, 44.0, 17.0], 18.5),
    ([0, 3, 10, 30], [80.0, 70.0, 65.0, 61.0], 64.0),
]
NEVER = "where the level is never reached, return None"
REACH = Value(
    right=steps_to_reach,
    given=CURVES,
    mistakes=reach_mistakes,
    signs={f"{NEVER}, or a table will show a step that never came.": lambda got, s, c, level: min(c) > level},
    what="the step",
    hint="the first at or below the level, alone",
    fails=f"it fails; {NEVER}. Seen: ",
)

# --- adam_step ---


def moments(g: Tensor, m: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    return (m + g) / 2, 0.9 * v + 0.1 * g**2


def corrected_step(m_hat: Tensor, v_hat: Tensor) -> Tensor:
    return m_hat / (v_hat.sqrt() + 1e-8)


def adam_step(gradient: Tensor, m: Tensor, v: Tensor, t: int) -> Tensor:
    """Adam's step in units of the rate (Kingma and Ba 2015, algorithm 1)."""
    m, v = moments(gradient, m, v)
    return corrected_step(m / (1 - 0.5**t), v / (1 - 0.9**t))


def adam_mistakes(g: Tensor, m: Tensor, v: Tensor, t: int) -> dict[str, Any]:
    (m_new, v_new), m_share, v_share = moments(g, m, v), 1 - 0.5**t, 1 - 0.9**t
    m_hat, v_hat, turned = m_new / m_share, v_new / v_share, 0.1 * v + 0.9 * g**2
    return {
        "the bias correction is missing: divide the moments by 1 - beta ** t, or the first steps of a fresh optimiser "
        "are of the wrong size.": corrected_step(m_new, v_new),
        "only the first moment is corrected; v needs its 1 - beta2 ** t too.": corrected_step(m_hat, v_new),
        "only the second moment is corrected; m needs its 1 - beta1 ** t too.": corrected_step(m_new, v_hat),
        "the root of the second moment is missing: v holds *squares* of gradients.": m_hat / (v_hat + 1e-8),
        "the step is not a number: the root is of a negative v, which should average *squares* of gradients.":
        corrected_step(m_hat, (0.9 * v + 0.1 * g) / v_share),
        "epsilon is under the root, where 1e-8 counts as 1e-4: tiny gradients would hardly move their weights. Add it "
        "after the root.": m_hat / (v_hat + 1e-8).sqrt(),
        "epsilon is missing below the line: a weight that has never had a gradient would be moved by 0 / 0.":
        m_hat / v_hat.sqrt(),
        "the correction is one step late: `t` counts this step already.": adam_step(g, m, v, t + 1),
        "the betas are swapped: beta1 = 0.5 is m's, beta2 = 0.9 is v's.":
        corrected_step((0.9 * m + 0.1 * g) / v_share, (v + g**2) / 2 / m_share),
        "beta is the share of the old moment that is kept, not of the new gradient.":
        either(corrected_step(m_hat, turned / v_share), corrected_step(m_hat, turned / (1 - 0.1**t))),
        "the sign is turned: return the step itself; the optimiser subtracts it.": -adam_step(g, m, v, t),
        "the moments and the count that are given are not used: this is a fresh optimiser's first step, every time.":
        adam_step(g, 0 * m, 0 * v, 1),
        "the carried moments are corrected as if this were step 1: the correction fades with t.": adam_step(g, m, v, 1),
        "one of the two moments that are given is not used; both are carried.":
        either(adam_step(g, 0 * m, v, t), adam_step(g, m, 0 * v, t)),
    }  # fmt: skip


def fresh_and_carried() -> list[tuple[Tensor, Tensor, Tensor, int]]:
    g, m, v = torch.tensor([[0.5, -8.0, 1e-5], [0.3, 0.4, -0.2], [0.2, 0.5, 0.9]], dtype=torch.float64)
    return [(g, 0 * m, 0 * v, 1), (g.clone(), m.clone(), v.clone(), 7)]


ADAM = Value(
    right=adam_step,
    given=fresh_and_carried,
    changes=["m", "v"],  # see `_check_moments`
    seen=lambda returned, *_: returned,
    mistakes=adam_mistakes,
    what="the step",
    hint="one step for each weight, and nothing else",
    wrong="at t = {t} a weight whose gradient is {at:g} moves by {got:.4g} in your function; it should be {right:.4g}.",
    overflow="the step is not a number: the correction divides by 0. At t = 1 it divides by 1 - beta ** 1.",
)


def _check_moments(answer: Callable[..., Any]) -> None:
    """An optimiser writes the new moments over the old ones, and an answer may, but nothing else."""
    for g, m, v, t in fresh_and_carried():
        old, new = (m.clone(), v.clone()), moments(g, m, v)
        call(answer, gradient=g, m=m, v=v, t=t)
        for name, now, before, after in zip("mv", (m, v), old, new, strict=True):
            wrong_if(
                now.requires_grad or not (close(now, before) or close(now, after)),
                f"`{name}` is not as it was after the call, and not the new moment: leave it alone, or update it.",
            )


# --- blend_states ---


# Batch norm's tensors; one that is float64, and whole numbers that are int32.
ONE: State = {
    "weight": torch.tensor([[1.0, -2.0], [0.5, 3.0]]),
    "running_mean": torch.tensor([0.2, -0.4]),
    "running_var": torch.tensor([1.0, 3.0]),
    "scale": torch.tensor([0.1, 0.7], dtype=torch.float64),
    "num_batches_tracked": torch.tensor(100),
    "places": torch.tensor([-3, 1], dtype=torch.int32),
}
OTHER: State = {
    "weight": torch.tensor([[3.0, 2.0], [-1.5, 1.0]]),
    "running_mean": torch.tensor([1.2, 0.6]),
    "running_var": torch.tensor([2.0, 0.5]),
    "scale": torch.tensor([2.1, -0.3], dtype=torch.float64),
    "num_batches_tracked": torch.tensor(707),
    "places": torch.tensor([13, -60], dtype=torch.int32),
}
FLOATS, STATISTICS, WHOLE = list(ONE)[:4], list(ONE)[1:3], list(ONE)[4:]


def blend_states(source: State, target: State, t: float) -> State:
    return {k: (1 - t) * v + t * target[k] if k in FLOATS else (source, target)[t > 0.5][k] for k, v in source.items()}


def blend_mistakes(a: State, b: State, t: float) -> dict[str, Any]:
    right, near, far = blend_states(a, b, t), (a, b)[t > 0.5], (a, b)[t < 0.5]

    def by(names: list[str], mix: Callable[[Tensor, Tensor], Tensor]) -> State:
        return right | {k: mix(a[k], b[k]) for k in names}

    def of(state: State, *names: str) -> State:
        return right | {k: state[k] for k in names}

    def line(p: Tensor, q: Tensor) -> Tensor:
        return (1 - t) * p + t * q

    return {
        "the ends are swapped: t = 0 is the source, t = 1 the target.": by(FLOATS, lambda p, q: line(q, p)),
        "the source's share is not taken back: (1 - t) of it is left at t.": by(FLOATS, lambda p, q: p + t * q),
        "these are means of the two, whatever t is.": by(FLOATS, lambda p, q: (p + q) / 2),
        "these are the nearer model's, and nothing is blended.": near,
        "batch norm's running mean or variance is one model's own while the weights are blended: blend the statistics "
        "too, they belong to the weights.": either(
            *[of(own, *names) for own in (a, b, near) for names in (STATISTICS, STATISTICS[:1], STATISTICS[1:])],
            of(a, *list(a)[1:]), of(near, *list(a)[1:]),
        ),
        "not all floats are blended, by their name or their dtype: ask each tensor `is_floating_point()`.":
        either(of(near, "scale"), of(a, "scale"), of(b, "scale")),
        "whole numbers were blended; no model ever counted that. Take the nearer model's.":
        either(by(WHOLE, line), by(WHOLE, lambda p, q: line(p, q).long()), by(WHOLE, lambda p, q: line(p, q).round())),
        "some whole numbers were blended, by their name or their dtype: ask each tensor `is_floating_point()`.":
        either(by(WHOLE[:1], line), by(WHOLE[1:], line)),
        "whole numbers are always one model's; take the nearer model's.": either(of(a, *WHOLE), of(b, *WHOLE)),
        "whole numbers are the further model's; take the nearer model's.": of(far, *WHOLE),
    }  # fmt: skip


BLEND = Value(
    right=blend_states,
    given=[(ONE, OTHER, t) for t in (0.25, 0.8, 0.0, 1.0)],
    mistakes=blend_mistakes,
    what="the blend",
    wrong="at t = {t:g} `{part}` is {got:.4g} in your blend and should be {right:.4g}: floats lie on the line, (1 - t) "
    "source + t target, whole numbers are the nearer model's.",
    fails="it fails. Whole numbers, as batch norm's count of batches, are not blended: take the nearer model's. Seen: ",
)

CHECKS: dict[str, Check] = {
    "copy_what_fits": exercise(
        FITS, passed="What fits comes from the source, the rest stays, and both dictionaries are as they were."
    ),
    "steps_to_reach": exercise(
        REACH, passed=f"Right for all {len(CURVES)} curves, the one that never gets there included."
    ),
    "adam_step": exercise(
        ADAM,
        _check_moments,
        passed="A fresh optimiser's first step is the gradient's sign; a carried one's knows how large gradients were.",
    ),
    "blend_states": exercise(
        BLEND,
        passed="Weights and statistics lie on the line, whole numbers are the nearer model's, and both ends are exact.",
    ),
}
