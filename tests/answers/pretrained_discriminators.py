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


def features_joined(network, images):
    return features_reference(network, images).mean(0)


def features_scaled(network, images):
    return features_reference(network, (images + 1) / 2)


def features_with_twice_the_gradient(network, images):
    found = features_reference(network, images)
    return found + (found - found.detach())


def features_of_a_moved_network(network, images):
    features = features_reference(network, images)
    network[1].weight.data.mul_(0.9)
    return features


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


def of_each(maps, heads):
    return torch.stack([head(m).mean((1, 2, 3)) for m, head in zip(maps, heads, strict=True)])


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
        (features_joined, "shape (3,)"),
        (features_scaled, "a feature is"),
        (features_with_twice_the_gradient, "a gradient of the images is"),
        (features_of_a_moved_network, "a weight or statistic of the network is"),
        (lambda network, images: [features_reference(network, images)], "features are a tensor"),
    ],
    "multi_scale_logit": [
        (lambda m, h: of_each(m, h).mean(1), "shape (3,); the logit is of shape (4,): one for each image"),
        (lambda m, h: logit_reference(m, h)[:, None], "shape (4, 1)"),
        (lambda m, h: list(of_each(m, h)), "shape (3, 4)"),
        (lambda m, h: logit_reference(m, h).detach(), "no gradient reaches the maps"),
        (lambda m, h: -logit_reference(m, h), "it should be"),
    ],
    "equal_cost_steps": [
        (lambda s, t, k: float(steps_reference(s, t, k)), "is a float"),
        (lambda s, t, k: 1000, "738 steps fit"),
        (lambda s, t, k: str(steps_reference(s, t, k)), "one number is wanted"),
    ],
    "flattery": [
        (lambda *d: 2 * flattery_reference(*d), "it should be 1.0986"),
        (lambda aa, ba, ab, bb: math.log(ab - bb), "it fails for some distances"),
    ],
}
