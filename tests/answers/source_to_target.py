"""Answers to the exercises of "From a source to a target", right and wrong."""

from __future__ import annotations

import copy

import numpy as np
import torch

from . import Answer

# --- copy_what_fits ---


def fits_reference(source, target):
    return {
        name: source[name] if name in source and source[name].shape == tensor.shape else tensor
        for name, tensor in target.items()
    }


def fits_by_clone(old, new):
    found = {k: v.clone() for k, v in new.items()}
    for k, v in old.items():
        if k in found and found[k].size() == v.size():
            found[k].copy_(v)
    return found


def fits_by_update(source, target):
    fitting = {k: v for k, v in source.items() if k in target and v.shape == target[k].shape}
    return target | fitting


def fits_deep(source, target):
    result = copy.deepcopy(target)
    for name in source.keys() & target.keys():
        if source[name].shape != target[name].shape:
            continue
        result[name] = source[name].detach().clone()
    return result


def fits_in_place(source, target):
    for k, v in source.items():
        if k in target and target[k].shape == v.shape:
            target[k] = v
    return target


def fits_strict(source, target):
    return {k: source[k] if source[k].shape == v.shape else v for k, v in target.items()}


# --- steps_to_reach ---


def reach_reference(steps, curve, level):
    for step, value in zip(steps, curve, strict=True):
        if value <= level:
            return step
    return None


def reach_next(steps, curve, level):
    return next((s for s, c in zip(steps, curve, strict=True) if not c > level), None)


def reach_numpy(x, y, threshold):
    below = np.flatnonzero(np.asarray(y) <= threshold)
    return x[below[0]] if len(below) else None


def reach_tensor(steps, curve, level):
    below = (torch.tensor(curve) <= level).nonzero()
    return torch.tensor(steps)[below[0, 0]] if len(below) else None


def reach_min(steps, curve, level):
    return min((s for s, c in zip(steps, curve, strict=True) if c <= level), default=None)


def reach_or_end(steps, curve, level):
    return next((s for s, c in zip(steps, curve, strict=True) if c <= level), steps[-1])


# --- adam_step ---


def adam_reference(gradient, m, v, t):
    m = 0.5 * m + 0.5 * gradient
    v = 0.9 * v + 0.1 * gradient**2
    return (m / (1 - 0.5**t)) / ((v / (1 - 0.9**t)).sqrt() + 1e-8)


def adam_lerp(g, first, second, count):
    first, second = torch.lerp(first, g, 0.5), torch.lerp(second, g * g, 1 - 0.9)
    return first / (1 - 0.5**count) / (torch.sqrt(second / (1 - 0.9**count)) + 1e-8)


def adam_as_torch_does(gradient, m, v, t):
    m.mul_(0.5).add_(gradient, alpha=0.5)
    v.mul_(0.9).addcmul_(gradient, gradient, value=0.1)
    denominator = v.sqrt() / (1 - 0.9**t) ** 0.5 + 1e-8
    return m / denominator / (1 - 0.5**t)


def adam_by_torch(gradient, m, v, t):
    weight = torch.nn.Parameter(torch.zeros_like(gradient))
    optimiser = torch.optim.Adam([weight], lr=1.0, betas=(0.5, 0.9))
    optimiser.state[weight] = {"step": torch.tensor(t - 1.0), "exp_avg": m, "exp_avg_sq": v}
    weight.grad = gradient.clone()
    optimiser.step()
    return -weight.detach()


# --- blend_states ---


def blend_reference(source, target, t):
    return {
        name: tensor.lerp(target[name], t) if tensor.is_floating_point() else (tensor if t < 0.5 else target[name])
        for name, tensor in source.items()
    }


def blend_by_shares(a, b, t):
    found = {}
    for k in a:
        if a[k].dtype.is_floating_point:
            found[k] = (1 - t) * a[k] + t * b[k]
        else:
            found[k] = [a, b][round(t)][k].clone()
    return found


def blend_from_deepcopy(source, target, t):
    nearer = copy.deepcopy(target if t >= 0.5 else source)
    for k, v in nearer.items():
        if torch.is_floating_point(v):
            v.copy_(source[k] + t * (target[k] - source[k]))
    return nearer


def blend_lerp_all(source, target, t):
    return {k: torch.lerp(source[k], target[k], t) for k in source}


def blend_without_buffers(source, target, t):
    return {k: v.lerp(target[k], t) for k, v in source.items() if "weight" in k}


def blend_in_place(source, target, t):
    for k, v in source.items():
        if v.is_floating_point():
            v.lerp_(target[k], t)
    return source


RIGHT: dict[str, list[Answer]] = {
    "copy_what_fits": [fits_reference, fits_by_clone, fits_by_update, fits_deep],
    "steps_to_reach": [reach_reference, reach_next, reach_numpy, reach_tensor, reach_min],
    "adam_step": [adam_reference, adam_lerp, adam_as_torch_does, adam_by_torch],
    "blend_states": [blend_reference, blend_by_shares, blend_from_deepcopy],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "copy_what_fits": [
        (fits_in_place, "your function has changed `target`"),
        (fits_strict, "a name is in one only"),
        (lambda source, target: list(fits_reference(source, target)), "the state dict is a dictionary"),
        (
            lambda source, target: {k: v + 1 for k, v in fits_reference(source, target).items()},
            "(edge.bias) at [0] is 8",
        ),
    ],
    "steps_to_reach": [
        (reach_or_end, "return None, or a table"),
        (lambda s, c, level: next(a for a, b in zip(s, c, strict=True) if b <= level), "never reached, return None."),
        (lambda s, c, level: [a for a, b in zip(s, c, strict=True) if b <= level], "at or below the level, alone"),
        (lambda s, c, level: s[1], "for steps [10, 25, 50, 100, 200], curve [90, 41, 30, 22, 35], level 40"),
    ],
    "adam_step": [
        (lambda g, m, v, t: adam_reference(g, m, v**2, t), "in your function; it should be"),
        (lambda g, m, v, t: adam_reference(g, m, v, t - 1), "the correction divides by 0"),
        (lambda g, m, v, t: g, "at t = 1 a weight whose gradient is -8 moves by -8"),
        (lambda g, m, v, t: float(adam_reference(g, m, v, t).sum()), "one step for each weight"),
        (lambda g, m, v, t: adam_reference(g, m, v, t) + 0 * m.mul_(2), "`m` is not as it was after the call"),
    ],
    "blend_states": [
        (blend_lerp_all, "it fails. Whole numbers"),
        (blend_without_buffers, "the blend should hold ['running_mean']"),
        (blend_in_place, "has been changed in place"),
        (lambda a, b, t: blend_reference(a, b, t**2), "at t = 0.25 `weight` is"),
        (lambda a, b, t: {k: v + 7 * (v.dtype == torch.int64) for k, v in blend_reference(a, b, t).items()}, "is 107"),
        (lambda a, b, t: list(a.values()), "the blend is a dictionary"),
    ],
}
