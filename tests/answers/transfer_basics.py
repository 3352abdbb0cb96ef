"""Answers to the exercises of "The basics of transfer", right and wrong."""

from __future__ import annotations

import torch
from torch import nn

from . import Answer

# --- discriminative_groups ---


def groups_reference(parts, rate, factor):
    top = len(parts) - 1
    return [{"params": part.parameters(), "lr": rate / factor ** (top - i)} for i, part in enumerate(parts)]


def groups_from_the_head(parts, rate, factor):
    groups = []
    for part in reversed(parts):
        groups.append({"params": list(part.parameters()), "lr": rate})
        rate /= factor
    return groups


def groups_by_tensor(layers, learning_rate, divisor):
    return [
        {"params": p, "lr": learning_rate * divisor ** -(len(layers) - 1 - i)}
        for i, layer in enumerate(layers)
        for p in layer.parameters()
    ]


def groups_with_names(parts, rate, factor):
    return [{"params": p.named_parameters(), "lr": rate / factor**k} for k, p in enumerate(parts[::-1])]


def groups_as_an_optimiser(parts, rate, factor):
    return torch.optim.SGD(groups_from_the_head(parts, rate, factor), lr=rate, momentum=0.9)


def groups_weights_only(parts, rate, factor):
    groups = groups_from_the_head(parts, rate, factor)
    return [{"params": group["params"][:1], "lr": group["lr"]} for group in groups]


def groups_without_the_pixels(parts, rate, factor):
    return groups_from_the_head(parts, rate, factor)[:-1]


def groups_twice(parts, rate, factor):
    everything = [p for part in parts for p in part.parameters()]
    return [{"params": everything, "lr": rate}, *groups_from_the_head(parts, rate, factor)]


def groups_of_modules(parts, rate, factor):
    return [{"params": [part], "lr": rate} for part in parts]


def groups_named_rate(parts, rate, factor):
    return [{"params": part.parameters(), "rate": rate} for part in parts]


# --- l2sp_with_head ---


def head_reference(net, start, alpha, beta):
    shared = new = 0
    for name, w in net.named_parameters():
        if name in start:
            shared = shared + (w - start[name]).square().sum()
        else:
            new = new + w.square().sum()
    return alpha / 2 * shared + beta / 2 * new


def head_one_sum(net, start, alpha, beta):
    return sum(
        0.5 * (alpha * (w - start[n]).pow(2).sum() if n in start else beta * w.pow(2).sum())
        for n, w in net.named_parameters()
    )


def head_by_norms(model, w0, a, b):
    named = dict(model.named_parameters())
    shared = torch.cat([(named[n] - w0[n]).flatten() for n in named if n in w0])
    new = torch.cat([w.flatten() for n, w in named.items() if n not in w0])
    return a / 2 * shared.norm() ** 2 + b / 2 * new @ new


def head_by_zero_start(net, start, alpha, beta):
    total = torch.zeros(())
    for name, w in net.named_parameters():
        strength, towards = (alpha, start[name]) if name in start else (beta, torch.zeros_like(w))
        total = total + strength / 2 * ((w - towards) ** 2).sum()
    return total


def head_by_state_dict(net, start, alpha, beta):
    total = 0
    for name, w in net.state_dict().items():
        if name not in start:
            total = total + beta / 2 * w.square().sum()
        elif "running" not in name and "num" not in name:
            total = total + alpha / 2 * (w - start[name]).square().sum()
    return total


@torch.no_grad()
def head_writing(net, start, alpha, beta):
    for name, w in net.named_parameters():
        if name in start:
            w.sub_(start[name])
    return torch.zeros(())


# --- imagenet_input ---


def input_reference(images, mean, std):
    unit = (images + 1) / 2
    return (unit - mean[:, None, None]) / std[:, None, None]


def input_view(images, mean, std):
    shape = (1, 3, 1, 1)
    return (images * 0.5 + 0.5).sub(mean.view(shape)).div(std.view(shape))


def input_by_channel(x, m, s):
    return torch.stack([((x[:, c] + 1) / 2 - m[c]) / s[c] for c in range(3)], 1)


def input_last_axis(images, mean, std):
    return (((images.permute(0, 2, 3, 1) + 1) / 2 - mean) / std).permute(0, 3, 1, 2)


def input_as_norm(images, mean, std):
    return nn.functional.batch_norm((images + 1) / 2, mean, std**2, eps=0.0)


def input_in_place(images, mean, std):
    return images.add_(1).div_(2).sub_(mean[:, None, None]).div_(std[:, None, None])


RIGHT: dict[str, list[Answer]] = {
    "discriminative_groups": [
        groups_reference, groups_from_the_head, groups_by_tensor, groups_with_names, groups_as_an_optimiser,
    ],
    "l2sp_with_head": [head_reference, head_one_sum, head_by_norms, head_by_zero_start],
    "imagenet_input": [input_reference, input_view, input_by_channel, input_last_axis, input_as_norm],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "discriminative_groups": [
        (lambda parts, rate, factor: groups_reference(parts, rate, 2), "counted from the pixels, has rate"),
        (groups_weights_only, "a bias, say"),
        (groups_without_the_pixels, "would not learn at all"),
        (groups_twice, "in two groups"),
        (lambda parts, rate, factor: 2 * groups_reference(parts, rate, factor), "a group is empty"),
        (groups_of_modules, "part.parameters()"),
        (groups_named_rate, "has no 'lr'"),
        (lambda parts, rate, factor: [{"params": part, "lr": rate} for part in parts], "'params' is 'Linear'"),
        (lambda parts, rate, factor: [{"params": part.parameters, "lr": rate} for part in parts], "is 'method'"),
        (lambda parts, rate, factor: [{"params": p.parameters(), "lr": [rate]} for p in parts], "'lr' is 'list'"),
        (lambda parts, rate, factor: [rate / factor**i for i in range(len(parts))], "holds no dictionaries"),
        (lambda parts, rate, factor: {"lr": rate}, "a list of dictionaries"),
    ],
    "l2sp_with_head": [
        (lambda *a: 3 * head_reference(*a), "on a small network"),
        (head_by_state_dict, "no gradient reaches"),
        (head_writing, "`net` has changed"),
        (lambda *a: head_reference(*a).item(), "without .item()"),
    ],
    "imagenet_input": [
        (lambda *a: input_reference(*a) + 1, "a pixel of"),
        (input_in_place, "`images`, which was given, has been changed in place"),
        (lambda images, mean, std: images[0], "the shape should stay"),
    ],
}  # fmt: skip
