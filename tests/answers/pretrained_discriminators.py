"""Answers to the exercises of "Pre-trained discriminators", right and wrong."""

from __future__ import annotations

import copy
import math
import statistics

import numpy as np
import torch
from torch.func import functional_call

from . import Answer

# --- frozen_features ---


def features_reference(network, images):
    network.eval().requires_grad_(False)
    return network(images)


def features_of_a_copy(network, images):
    frozen = copy.deepcopy(network).eval()
    for parameter in frozen.parameters():
        parameter.requires_grad = False
    return frozen(images)


def features_functional(net, x):
    net.eval()
    return functional_call(net, {name: p.detach() for name, p in net.named_parameters()}, x)


def features_then_awake_again(network, images):
    found = features_reference(network, images)
    network.train().requires_grad_(True)
    return found


def features_one_by_one(network, images):
    network.train(False)
    for p in network.parameters():
        p.requires_grad_(False)
    for layer in network:
        images = layer(images)
    return images


def features_no_grad(network, images):
    with torch.no_grad():
        return network.eval()(images)


def features_open_too_late(network, images):
    return features_no_grad(network, images).requires_grad_()


def features_of_detached(network, images):
    return network.eval()(images.detach())


def features_awake(network, images):
    return network.eval()(images)


def features_as_they_come(network, images):
    return network(images)


def features_in_train_mode(network, images):
    return network.requires_grad_(False)(images)


def features_after_a_pass(network, images):
    network.requires_grad_(False)(images)
    return network.eval()(images)


def features_joined(network, images):
    return features_reference(network, images).mean(0)


def features_scaled(network, images):
    return features_reference(network, (images + 1) / 2)


def features_with_twice_the_gradient(network, images):
    found = features_reference(network, images)
    return found + (found - found.detach())


# --- multi_scale_logit ---


def logit_reference(maps, heads):
    return torch.stack([head(m).mean((1, 2, 3)) for m, head in zip(maps, heads, strict=True)]).mean(0)


def logit_by_loop(maps, heads):
    total = 0
    for i, head in enumerate(heads):
        total = total + head(maps[i]).flatten(1).mean(1)
    return total / len(heads)


def logit_by_pooling(m, h):
    pooled = [torch.nn.functional.adaptive_avg_pool2d(head(x), 1).view(len(x)) for x, head in zip(m, h, strict=True)]
    return sum(pooled) / len(pooled)


def logit_by_einsum(maps, heads):
    rows = [torch.einsum("ncij->n", head(x)) / head(x)[0].numel() for x, head in zip(maps, heads, strict=True)]
    return torch.stack(rows, dim=1).mean(dim=1)


def joined(maps, heads):
    return torch.cat([head(m).flatten(1) for m, head in zip(maps, heads, strict=True)], 1)


def of_each(maps, heads, reduce):
    return torch.stack([reduce(head(m).flatten(1)) for m, head in zip(maps, heads, strict=True)])


# --- equal_cost_steps ---


def steps_reference(seconds, times, steps):
    return int(seconds / (statistics.median(times[1:]) / steps))


def steps_numpy(seconds, times, steps):
    return int(np.floor(seconds * steps / np.median(np.array(times)[1:])))


def steps_sorted(seconds, times, steps):
    kept = sorted(times[1:])
    n = len(kept)
    middle = (kept[(n - 1) // 2] + kept[n // 2]) / 2
    return math.floor(seconds / middle * steps)


def steps_by_floor_division(s, t, k):
    return int(s // (statistics.median(t[1:]) / k))


# --- flattery ---


def flattery_reference(a_by_own, b_by_own, a_by_other, b_by_other):
    return math.log(b_by_own / a_by_own) - math.log(b_by_other / a_by_other)


def flattery_of_products(a_by_own, b_by_own, a_by_other, b_by_other):
    return math.log(b_by_own * a_by_other / (a_by_own * b_by_other))


def flattery_torch(aa, ba, ab, bb):
    logs = torch.tensor([aa, ba, ab, bb], dtype=torch.float64).log()
    return logs @ torch.tensor([-1.0, 1.0, 1.0, -1.0], dtype=torch.float64)


def flattery_numpy(a_by_own, b_by_own, a_by_other, b_by_other):
    table = np.log([[a_by_own, b_by_own], [a_by_other, b_by_other]])
    return -(table[0, 0] + table[1, 1] - table[0, 1] - table[1, 0])


RIGHT: dict[str, list[Answer]] = {
    "frozen_features": [
        features_reference,
        features_of_a_copy,
        features_functional,
        features_then_awake_again,
        features_one_by_one,
    ],
    "multi_scale_logit": [logit_reference, logit_by_loop, logit_by_pooling, logit_by_einsum],
    "equal_cost_steps": [steps_reference, steps_numpy, steps_sorted, steps_by_floor_division],
    "flattery": [flattery_reference, flattery_of_products, flattery_torch, flattery_numpy],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "frozen_features": [
        (features_no_grad, "the way back is cut"),
        (features_open_too_late, "it ends in them"),
        (features_of_detached, "the wrong way round"),
        (features_awake, "requires_grad_(False)"),
        (features_as_they_come, "nothing is frozen yet"),
        (features_in_train_mode, "Call eval() too"),
        (features_after_a_pass, "before the first pass"),
        (features_joined, "shape (3,)"),
        (features_scaled, "pass them on as they come"),
        (features_with_twice_the_gradient, "not the network's own"),
        (lambda network, images: [features_reference(network, images)], "returns list"),
    ],
    "multi_scale_logit": [
        (lambda m, h: joined(m, h).mean(1), "the most votes"),
        (lambda m, h: len(h) * logit_reference(m, h), "the heads are summed"),
        (lambda m, h: joined(m, h).sum(1), "positions and heads are summed"),
        (lambda m, h: of_each(m, h, lambda x: x.sum(1)).mean(0), "positions are summed"),
        (lambda m, h: of_each(m, h, lambda x: x.amax(1)).mean(0), "one odd patch"),
        (lambda m, h: of_each(m, h, lambda x: x.mean(1)).mean(1), "shape (3,); one for each image"),
        (lambda m, h: of_each(m, h, lambda x: x.mean(1)).amax(0), "the largest vote"),
        (lambda m, h: of_each(m, h, lambda x: x.mean(1)).amin(0), "the smallest vote"),
        (lambda m, h: h[-1](m[-1]).mean((1, 2, 3)), "only the last head"),
        (lambda m, h: h[0](m[0]).mean((1, 2, 3)), "only the first head"),
        (lambda m, h: logit_reference(m, h).sigmoid(), "a sigmoid has been applied"),
        (lambda m, h: of_each(m, h, lambda x: x.sigmoid().mean(1)).mean(0), "probabilities were averaged"),
        (lambda m, h: logit_reference(m, h).mean(), "for the whole batch"),
        (lambda m, h: logit_reference(m, h)[:, None], "shape (4, 1)"),
        (lambda m, h: list(of_each(m, h, lambda x: x.mean(1))), "returns 3 things"),
        (lambda m, h: logit_reference(m, h).detach(), "no gradient reaches the maps"),
        (lambda m, h: -logit_reference(m, h), "it should be"),
    ],
    "equal_cost_steps": [
        (lambda s, t, k: int(s / statistics.median(t) * k), "the first round is counted too"),
        (lambda s, t, k: int(s / statistics.mean(t[1:]) * k), "that is the mean: one round"),
        (lambda s, t, k: int(s / statistics.mean(t) * k), "the mean of all rounds"),
        (lambda s, t, k: int(s / min(t[1:]) * k), "the quickest round"),
        (lambda s, t, k: int(s / torch.tensor(t[1:]).median().item() * k), "as torch.median does"),
        (lambda s, t, k: int(s / statistics.median(t[1:])) * k, "whole rounds were counted"),
        (lambda s, t, k: int(s / statistics.median(t[1:])), "a round has several steps"),
        (lambda s, t, k: int(s / (statistics.median(t[1:]) * k)), "here it was multiplied"),
        (lambda s, t, k: s * statistics.median(t[1:]) / k, "seconds times cost"),
        (lambda s, t, k: s / statistics.median(t[1:]) * k, "no part of a step"),
        (lambda s, t, k: math.ceil(s / statistics.median(t[1:]) * k), "rounded up"),
        (lambda s, t, k: float(steps_reference(s, t, k)), "is a float"),
        (lambda s, t, k: 1000, "steps fit"),
        (lambda s, t, k: str(steps_reference(s, t, k)), "one number is wanted"),
    ],
    "flattery": [
        (lambda aa, ba, ab, bb: (ba - aa) - (bb - ab), "compare ratios"),
        (lambda aa, ba, ab, bb: ba / aa - bb / ab, "the two leads were subtracted"),
        (lambda aa, ba, ab, bb: (ba / aa) / (bb / ab) - 1, "the ratio less 1"),
        (lambda aa, ba, ab, bb: (ba / aa) / (bb / ab), "take its logarithm"),
        (lambda *d: -flattery_reference(*d), "the sign is turned"),
        (lambda *d: flattery_reference(*d) / math.log(2), "base 2"),
        (lambda *d: flattery_reference(*d) / math.log(10), "base 10"),
        (lambda aa, ba, ab, bb: math.log(ba / aa), "a may simply be better"),
        (lambda aa, ba, ab, bb: math.log(bb / ab), "through the other network alone"),
        (lambda aa, ba, ab, bb: math.log(ab / aa), "within each network first"),
        (lambda aa, ba, ab, bb: math.log(ba / aa) + math.log(bb / ab), "who is better"),
        (lambda aa, ba, ab, bb: abs(flattery_reference(aa, ba, ab, bb)), "it should be"),
        (lambda aa, ba, ab, bb: math.log(ab - bb), "it fails for the distances"),
    ],
}  # fmt: skip
