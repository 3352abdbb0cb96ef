"""Answers to the exercises of "Freezing layers", right and wrong."""

from __future__ import annotations

import torch

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


def freeze_and_more(net, count):
    freeze_slice(net, count)
    net[7].requires_grad_(False)


# --- parameters_to_train ---


def train_reference(network):
    return [p for p in network.parameters() if p.requires_grad]


def train_by_modules(network):
    seen = {}
    for module in network.modules():
        seen |= {id(p): p for p in module.parameters(recurse=False) if p.requires_grad}
    return list(seen.values())


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


RIGHT: dict[str, list[Answer]] = {
    "freeze_first": [freeze_reference, freeze_slice, freeze_by_name, freeze_for_good],
    "parameters_to_train": [
        train_reference,
        lambda module: list(filter(lambda p: p.requires_grad, module.parameters())),
        lambda network: tuple(p for _, p in network.named_parameters() if p.requires_grad),
        train_by_modules,
    ],
    "backward_cost": [
        cost_reference,
        cost_by_index,
        cost_in_torch,
        lambda costs, trains: sum(c * (trains[i] + any(trains[:i])) for i, c in reversed(list(enumerate(costs)))),
    ],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "freeze_first": [
        (freeze_and_more, "with count 4, is it so that 7.weight wants gradients"),
        (lambda net, count: 4, "nothing has changed"),
    ],
    "parameters_to_train": [
        (lambda network: (p for p in network.parameters() if p.requires_grad), "can be read once"),
        (lambda network: [(n, p) for n, p in network.named_parameters() if p.requires_grad], "with their names"),
        (
            lambda network: {n: p for n, p in network.named_parameters() if p.requires_grad},
            "returns a dict; return a list",
        ),
        (lambda network: sum(p.numel() for p in network.parameters()), "return a list of the parameters"),
        (lambda network: [p.requires_grad_() for p in network.parameters()], "wants gradients where it was frozen"),
        (lambda network: network, "returns a PartlyFrozen"),
        (lambda network: [*train_reference(network), network[0][1].bias], "should be there 0 times"),
        (lambda network: train_reference(network)[::2], "should be there 1 times"),
    ],
    "backward_cost": [
        (lambda c, t: cost_by_index(c, t) or sum(c), "no backward pass at all"),
        (lambda c, t: cost_by_index(c, t) + 1, "it should be"),
        (lambda c, t: "dear", "the cost is wanted"),
    ],
}
