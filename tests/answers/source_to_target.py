"""Answers to the exercises of "From a source to a target", right and wrong."""

from __future__ import annotations

import copy
from bisect import bisect_left

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


def fits_by_name_alone(source, target):
    return {name: source.get(name, tensor) for name, tensor in target.items()}


def fits_union(source, target):
    return target | {k: v for k, v in source.items() if k not in target or v.shape == target[k].shape}


def fits_only(source, target):
    return {k: v for k, v in source.items() if k in target and v.shape == target[k].shape}


def fits_shared_names(source, target):
    return {k: (source[k] if source[k].shape == v.shape else v) for k, v in target.items() if k in source}


def fits_reshaped(source, target):
    return {
        k: source[k].reshape(v.shape) if k in source and source[k].numel() == v.numel() else v
        for k, v in target.items()
    }


def fits_broadcast(source, target):
    found = {k: v.clone() for k, v in target.items()}
    for k, v in source.items():
        if k in found:
            try:
                found[k].copy_(v)
            except RuntimeError:
                continue
    return found


def fits_by_order(source, target):
    pool = list(source.values())
    found = {}
    for k, v in target.items():
        match = next((i for i, t in enumerate(pool) if t.shape == v.shape), None)
        found[k] = v if match is None else pool.pop(match)
    return found


def fits_weights_only(source, target):
    return {k: fits_reference(source, target)[k] if "weight" in k else v for k, v in target.items()}


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


def reach_below(steps, curve, level):
    return next((s for s, c in zip(steps, curve, strict=True) if c < level), None)


def reach_last(steps, curve, level):
    return next((s for s, c in zip(steps[::-1], curve[::-1], strict=True) if c <= level), None)


def reach_interpolated(steps, curve, level):
    for i, c in enumerate(curve):
        if c <= level:
            if i == 0:
                return steps[0]
            return steps[i - 1] + (curve[i - 1] - level) / (curve[i - 1] - c) * (steps[i] - steps[i - 1])
    return None


def reach_step_zero_lost(steps, curve, level):
    return reach_reference(steps, curve, level) or None


def reach_bisect(steps, curve, level):
    at = bisect_left([-c for c in curve], -level)
    return steps[at] if at < len(steps) else None


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


def adam_with(b1=0.5, b2=0.9, power=2, root=True, correct_m=True, correct_v=True, inside=False, epsilon=1e-8):
    """The reference with one thing changed."""

    def adam_step(gradient, m, v, t):
        m, v = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**power
        m = m / (1 - b1**t) if correct_m else m
        v = v / (1 - b2**t) if correct_v else v
        if inside:
            return m / (v + 1e-8).sqrt()
        return m / ((v.sqrt() if root else v) + epsilon)

    return adam_step


def adam_forgetting(gradient, m, v, t):
    return adam_reference(gradient, 0 * m, 0 * v, 1)


def adam_step_one(gradient, m, v, t):
    return adam_reference(gradient, m, v, 1)


def adam_forgetting_m(gradient, m, v, t):
    return adam_reference(gradient, 0 * m, v, t)


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


def blend_all(source, target, t):
    return {k: (1 - t) * source[k] + t * target[k] for k in source}


def blend_rounded(source, target, t):
    return {k: ((1 - t) * source[k] + t * target[k]).to(source[k].dtype) for k in source}


def blend_lerp_all(source, target, t):
    return {k: torch.lerp(source[k], target[k], t) for k in source}


def blend_weights_only(source, target, t):
    return {k: v.lerp(target[k], t) if "weight" in k else v for k, v in source.items()}


def blend_without_buffers(source, target, t):
    return {k: v.lerp(target[k], t) for k, v in source.items() if "weight" in k}


def blend_means_alone(source, target, t):
    return {k: v if "var" in k else blend_reference(source, target, t)[k] for k, v in source.items()}


def blend_in_place(source, target, t):
    for k, v in source.items():
        if v.is_floating_point():
            v.lerp_(target[k], t)
    return source


def blend_sources_counts(source, target, t):
    return {k: v.lerp(target[k], t) if v.is_floating_point() else v for k, v in source.items()}


RIGHT: dict[str, list[Answer]] = {
    "copy_what_fits": [fits_reference, fits_by_clone, fits_by_update, fits_deep],
    "steps_to_reach": [reach_reference, reach_next, reach_numpy, reach_tensor, reach_min],
    "adam_step": [adam_reference, adam_lerp, adam_as_torch_does, adam_by_torch],
    "blend_states": [blend_reference, blend_by_shares, blend_from_deepcopy],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "copy_what_fits": [
        (fits_by_name_alone, "the shapes must agree too"),
        (fits_union, "would refuse it"),
        (fits_only, "lacks 3 of the target's names"),
        (fits_shared_names, "which is new in the target"),
        (fits_reshaped, "was reshaped"),
        (fits_broadcast, "broadcasting"),
        (fits_by_order, "not by their order"),
        (fits_weights_only, "Buffers count too"),
        (lambda source, target: dict(target), "'stem.weight' fits by name and shape"),
        (fits_in_place, "`target` has changed"),
        (fits_strict, "a name is in one only"),
        (lambda source, target: list(fits_reference(source, target)), "returns list"),
    ],
    "steps_to_reach": [
        (reach_below, "exactly the level"),
        (lambda s, c, level: next((a for a, b in zip(s, c, strict=True) if b >= level), None), "turned"),
        (reach_last, "the last step"),
        (lambda s, c, level: s[c.index(min(c))], "whatever the level"),
        (lambda s, c, level: s[c.index(min(c))] if min(c) <= level else None, "long before"),
        (lambda s, c, level: next((i for i, b in enumerate(c) if b <= level), None), "place in the list"),
        (reach_interpolated, "nothing was measured"),
        (reach_or_end, "return None, or a table"),
        (lambda s, c, level: next(a for a, b in zip(s, c, strict=True) if b <= level), "never reached, return None."),
        (lambda s, c, level: min(c) <= level, "not whether there is one"),
        (lambda s, c, level: [a for a, b in zip(s, c, strict=True) if b <= level], "one step, or None"),
        (reach_bisect, "readings [12.0, 30.0, 11.0]"),
        (reach_step_zero_lost, "says None; 0 is right"),
    ],
    "adam_step": [
        (adam_with(correct_m=False, correct_v=False), "bias correction is missing"),
        (adam_with(correct_v=False), "v needs its"),
        (adam_with(correct_m=False), "m needs its"),
        (adam_with(root=False), "the root of the second moment"),
        (adam_with(power=1), "not a number"),
        (lambda g, m, v, t: adam_reference(g, m, v**2, t), "and should be"),
        (adam_with(inside=True), "under the root"),
        (adam_with(epsilon=0), "epsilon is missing"),
        (lambda g, m, v, t: adam_reference(g, m, v, t + 1), "one step late"),
        (adam_with(b1=0.9, b2=0.5), "swapped"),
        (adam_with(b2=0.1), "the share of the old moment"),
        (lambda *a: -adam_reference(*a), "the sign is turned"),
        (adam_forgetting, "a fresh optimiser's first step, every time"),
        (adam_step_one, "as if this were step 1"),
        (adam_forgetting_m, "one of the two moments"),
        (lambda g, m, v, t: g, "the correction makes it"),
        (lambda g, m, v, t: float(adam_reference(g, m, v, t).sum()), "one step for each weight"),
    ],
    "blend_states": [
        (lambda a, b, t: blend_reference(b, a, t), "swapped"),
        (blend_all, "become a float"),
        (blend_rounded, "blended and rounded"),
        (blend_lerp_all, "fails at a whole number"),
        (blend_weights_only, "blend the statistics too"),
        (blend_without_buffers, "the blend lacks 'num_batches_tracked'"),
        (blend_means_alone, "the running variance is not"),
        (blend_in_place, "have changed"),
        (blend_sources_counts, "the nearer model's is 707"),
        (lambda a, b, t: blend_reference(a, b, 0.5), "at t = 0.25 the weights"),
        (lambda a, b, t: {k: v + t * b[k] if v.is_floating_point() else v for k, v in a.items()}, "taken back"),
    ],
}  # fmt: skip
