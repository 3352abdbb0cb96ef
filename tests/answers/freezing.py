"""Answers to the exercises of "Freezing layers", right and wrong."""

from __future__ import annotations

import copy

import torch
from torch import nn

from . import Answer

# --- freeze_first ---


def freeze_reference(net, count):
    for child in net[:count]:
        child.requires_grad_(False)
        child.eval()


def freeze_slice(network, n):
    return network[:n].requires_grad_(False).eval()


def freeze_by_name(net, count):
    front = {str(i) for i in range(count)}
    for name, module in net.named_modules():
        if name.split(".")[0] in front:
            module.training = False
            for p in module.parameters(recurse=False):
                p.requires_grad = False
    return net


def freeze_for_good(net, count):
    for child in list(net.children())[:count]:
        for p in child.parameters():
            p.requires_grad_(False)
        child.eval()
        child.train = lambda mode=True, child=child: child


def frozen(choose, mode=True):
    """An answer that freezes the parameters whose (name, place, count) `choose` picks; the front in eval mode."""

    def freeze_first(net, count):
        for place, (name, p) in enumerate(net.named_parameters()):
            if choose(name, place, count):
                p.requires_grad_(False)
        if mode:
            net[:count].eval()

    return freeze_first


def child(name):
    return int(name.split(".")[0])


def freeze_only_gradients(net, count):
    net[:count].requires_grad_(False)


def freeze_an_attribute(net, count):
    for module in net[:count]:
        module.requires_grad = False


def freeze_only_eval(net, count):
    net[:count].eval()


def freeze_last(net, count):
    net[-count:].requires_grad_(False).eval()


def freeze_all(net, count):
    net.requires_grad_(False).eval()


def freeze_eval_everywhere(net, count):
    net[:count].requires_grad_(False)
    net.eval()


def freeze_own_norms_only(net, count):
    for layer in net[:count]:
        layer.requires_grad_(False)
        if isinstance(layer, nn.BatchNorm1d):
            layer.eval()


def freeze_nested_norms_only(net, count):
    net[:count].requires_grad_(False)
    net[0].eval()


def freeze_without_momentum(net, count):
    for module in net[:count].modules():
        module.requires_grad_(False)
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = 0.0


def freeze_copy(net, count):
    net = copy.deepcopy(net)
    net[:count].requires_grad_(False).eval()
    return net


def freeze_zeroing(net, count):
    with torch.no_grad():
        for p in net[:count].parameters():
            p.zero_()
    return freeze_slice(net, count)


def freeze_one_more(net, count):
    net[: count + 1].requires_grad_(False).eval()


def freeze_one_less(net, count):
    net[: count - 1].requires_grad_(False).eval()


# --- parameters_to_train ---


def train_reference(network):
    return [p for p in network.parameters() if p.requires_grad]


def train_filtered(module):
    return list(filter(lambda p: p.requires_grad, module.parameters()))


def train_by_names(network):
    return tuple(p for _, p in network.named_parameters() if p.requires_grad)


def train_by_modules(network):
    seen = {}
    for module in network.modules():
        seen |= {id(p): p for p in module.parameters(recurse=False) if p.requires_grad}
    return list(seen.values())


def train_shared_twice(network):
    return [p for m in network.children() for p in m.parameters() if p.requires_grad]


def train_unfreezing(network):
    return [p.requires_grad_() for p in network.parameters()]


# --- backward_cost ---


def cost_reference(costs, trains):
    total, needed = 0, False  # needed: whether something below trains
    for c, train in zip(costs, trains, strict=True):
        total += c * train + c * needed
        needed = needed or train
    return total


def cost_by_index(costs, trains):
    if True not in trains:
        return 0.0
    weights = sum(c for c, t in zip(costs, trains, strict=True) if t)
    return float(weights + sum(costs[trains.index(True) + 1 :]))


def cost_in_torch(c, t):
    c, t = torch.tensor(c), torch.tensor(t).float()
    below = (t.cumsum(0) - t).clamp(max=1)
    return (c * (t + below)).sum()


def cost_from_the_output(costs, trains):
    return sum(c * (trains[i] + any(trains[:i])) for i, c in reversed(list(enumerate(costs))))


def first(trains):
    return list(trains).index(True)


def trained(costs, trains):
    return sum(c for c, t in zip(costs, trains, strict=True) if t)


def cost_until_frozen(costs, trains):
    total = 0
    for c, t in zip(reversed(costs), reversed(trains), strict=True):
        if not t:
            return total
        total += 2 * c
    return total


RIGHT: dict[str, list[Answer]] = {
    "freeze_first": [freeze_reference, freeze_slice, freeze_by_name, freeze_for_good],
    "parameters_to_train": [train_reference, train_filtered, train_by_names, train_by_modules],
    "backward_cost": [cost_reference, cost_by_index, cost_in_torch, cost_from_the_output],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "freeze_first": [
        (freeze_only_gradients, "goes on moving its running mean"),
        (freeze_only_eval, "and no weight"),
        (freeze_an_attribute, "that nothing reads"),
        (freeze_last, "*last* children"),
        (freeze_all, "everything is frozen"),
        (freeze_eval_everywhere, "whole network is in eval mode"),
        (freeze_own_norms_only, "inside the block"),
        (freeze_nested_norms_only, "child 3 still moves"),
        (freeze_without_momentum, "depend on its company"),
        (freeze_copy, "a copy is frozen"),
        (freeze_zeroing, "values themselves"),
        (freeze_one_more, "one child too many"),
        (freeze_one_less, "one child too few"),
        (frozen(lambda name, place, count: place < count), "*parameters*"),
        (frozen(lambda name, place, count: child(name) < count and "weight" in name), "only weights"),
        (frozen(lambda name, place, count: name.startswith(("0.0", "2."))), "scale and shift"),
        (frozen(lambda name, place, count: name.startswith(("0.1", "3."))), "only the norms"),
        (frozen(lambda name, place, count: 0 < child(name) < count), "inside a child"),
        (frozen(lambda name, place, count: name.startswith("7")), "child 0 still trains"),
        (frozen(lambda name, place, count: child(name) < count or child(name) > 6), "should train, and 7."),
    ],
    "parameters_to_train": [
        (lambda network: list(network.parameters()), "frozen layer is in the list"),
        (lambda network: (p for p in network.parameters() if p.requires_grad), "can be read once"),
        (lambda network: [(n, p) for n, p in network.named_parameters() if p.requires_grad], "holds names"),
        (lambda network: [p for p in network.parameters() if not p.requires_grad], "wrong way round"),
        (lambda network: [p.data for p in network.parameters() if p.requires_grad], "not the network's own"),
        (lambda network: {n: p for n, p in network.named_parameters() if p.requires_grad}, "a dictionary"),
        (lambda network: sum(p.numel() for p in network.parameters()), "a number"),
        (train_shared_twice, "there twice"),
        (train_unfreezing, "only look"),
        (
            lambda network: [p for n, p in network.named_parameters() if p.requires_grad and "weight" in n],
            "should train and is not",
        ),
        (lambda network: [list(network.second.parameters())], "no parameter"),
        (lambda network: network, "returns a PartlyFrozen"),
        (lambda network: [*train_reference(network), network.first.bias], "a frozen parameter is in the list"),
    ],
    "backward_cost": [
        (lambda c, t: trained(c, t) + sum(c), "all the way to the images"),
        (lambda c, t: trained(c, t) + sum(c[first(t) :]), "passes a gradient to its input"),
        (trained, "weights' gradients alone"),
        (
            lambda c, t: trained(c, t) + sum(x for i, x in enumerate(c) if t[i] and i > first(t)),
            "free wherever they are",
        ),
        (lambda c, t: 2 * trained(c, t), "two products for each layer that trains"),
        (lambda c, t: 2 * sum(c) - c[0], "makes no difference"),
        (lambda c, t: 2 * sum(c), "rule of thumb"),
        (lambda c, t: sum(c) + sum(c[first(t) + 1 :]), "weight gradients are counted too"),
        (lambda c, t: trained(c, t) + sum(c[::-1][first(t[::-1]) + 1 :]), "the wrong way"),
        (cost_until_frozen, "first frozen layer"),
        (lambda c, t: cost_by_index(c, t) + sum(c), "forward pass is counted"),
        (lambda c, t: cost_by_index(c, t) / (2 * sum(c) - c[0]), "a share"),
        (lambda c, t: cost_by_index(c, t) or sum(c), "no backward pass at all"),
        (lambda c, t: cost_by_index(c, t) + 1, "it should be"),
        (lambda c, t: "dear", "one number"),
    ],
}
