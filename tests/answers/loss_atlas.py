"""Answers to the exercises of "An atlas of losses", right and wrong."""

from __future__ import annotations

import torch
from tgan_lib.exercises.loss_atlas import clipping
from torch import nn
from torch.nn import functional as F

from . import Answer

# --- hinge_discriminator ---


def hinge_reference(real_logits, fake_logits):
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def hinge_clamped(real, fake):
    return (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()


def hinge_minimum(real_logits, fake_logits):
    zero = torch.zeros(())
    return -(torch.minimum(zero, real_logits - 1).mean() + torch.minimum(zero, -1 - fake_logits).mean())


def hinge_joined(real_logits, fake_logits):
    return torch.mean(F.relu(1 - real_logits) + F.relu(1 + fake_logits))


def hinge_ranked(real, fake):
    zeros, ones = torch.zeros_like(real), torch.ones_like(real)
    rank = nn.MarginRankingLoss(margin=1)
    return rank(real, zeros, ones) + rank(fake, zeros, -ones)


# --- clip_critic ---


@torch.no_grad()
def clip_reference(discriminator, limit):
    for p in discriminator.parameters():
        p.clamp_(-limit, limit)


def clip_data(critic, c):
    for p in critic.parameters():
        p.data.clamp_(-c, c)


def clip_reassigned_data(discriminator, limit):
    for p in discriminator.parameters():
        p.data = torch.clamp(p.data, -limit, limit)


def clip_copy(discriminator, limit):
    with torch.no_grad():
        for p in discriminator.parameters():
            p.copy_(p.clip(min=-limit, max=limit))
    return discriminator


def clip_by_torch(discriminator, limit):
    with torch.no_grad():
        vector = nn.utils.parameters_to_vector(discriminator.parameters()).clamp(-limit, limit)
        nn.utils.vector_to_parameters(vector, discriminator.parameters())


def clip_by_masks(discriminator, limit):
    for p in discriminator.parameters():
        p.data[p.data > limit] = limit
        p.data[p.data < -limit] = -limit


@torch.no_grad()
def clip_state(discriminator, limit):
    for p in discriminator.state_dict().values():
        p.clamp_(-limit, limit)


# --- wgan_gp_penalty ---


def gradients_between(discriminator, real, fake, t, **options):
    mixed = (t * real + (1 - t) * fake).requires_grad_()
    return torch.autograd.grad(discriminator(mixed).sum(), mixed, **{"create_graph": True, **options})[0]


def gp_reference(discriminator, real, fake, t):
    return (gradients_between(discriminator, real, fake, t).flatten(1).norm(dim=1) - 1).square().mean()


def gp_grad_outputs(discriminator, real, fake, t):
    mixed = torch.lerp(real, fake, t).requires_grad_(True)
    logits = discriminator(mixed)
    g = torch.autograd.grad(
        outputs=logits, inputs=mixed, grad_outputs=torch.ones_like(logits), create_graph=True, retain_graph=True
    )[0]
    return ((g.view(len(g), -1).norm(2, dim=1) - 1) ** 2).mean()


def gp_all_axes(D, x, y, share):
    g = gradients_between(D, x, y, share)
    return ((g.square().sum(dim=(1, 2, 3)) + 1e-12).sqrt() - 1).pow(2).mean()


def gp_torch_func(discriminator, real, fake, t):
    g = torch.func.grad(lambda x: discriminator(x).sum())(t * real + (1 - t) * fake)
    return F.mse_loss(g.flatten(1).norm(dim=1), torch.ones(len(g)))


def gp_vmap(discriminator, real, fake, t):
    slope = torch.func.grad(lambda x: discriminator(x[None]).squeeze())
    return (torch.func.vmap(slope)(t * real + (1 - t) * fake).flatten(1).norm(dim=1) - 1).square().mean()


def norms(g):
    return g.flatten(1).norm(dim=1)


def gp_without_graph(discriminator, real, fake, t):
    return (norms(gradients_between(discriminator, real, fake, t, create_graph=False)) - 1).square().mean()


def gp_half_detached(discriminator, real, fake, t):
    norm = norms(gradients_between(discriminator, real, fake, t))
    return ((norm - 1) * (norm - 1).detach()).mean()


# --- relativistic_generator ---


def relativistic_reference(fake_logits, real_logits):
    return F.softplus(real_logits - fake_logits).mean()


def relativistic_logsigmoid(fake_logits, real_logits):
    return -F.logsigmoid(fake_logits - real_logits).mean()


def relativistic_bce(fake, real):
    lead = fake - real.detach()
    return F.binary_cross_entropy_with_logits(lead, torch.ones_like(lead))


def relativistic_by_hand(fake_logits, real_logits):
    return torch.logaddexp(torch.zeros_like(fake_logits), real_logits - fake_logits).mean()


def relativistic_split(fake_logits, real_logits):
    behind = real_logits - fake_logits
    return (F.relu(behind) + torch.log1p(torch.exp(-behind.abs()))).mean()


# --- distance_from_critic ---


def slopes_at(discriminator, at, **options):
    at = at.detach().clone().requires_grad_()
    return norms(torch.autograd.grad(discriminator(at).sum(), at, **options)[0])


def from_critic_reference(discriminator, real, fake, at):
    with torch.no_grad():
        gap = discriminator(real).mean() - discriminator(fake).mean()
    return gap / slopes_at(discriminator, at).max()


def from_critic_in_place(D, x, y, points):
    points.requires_grad_()
    logits = D(points)
    (g,) = torch.autograd.grad(logits, points, torch.ones_like(logits))
    return ((D(x).mean() - D(y).mean()) / g.square().sum(dim=(1, 2, 3)).sqrt().amax()).item()


def from_critic_by_torch_func(discriminator, real, fake, at):
    slope = torch.func.grad(lambda x: discriminator(x[None]).squeeze())
    steepest = max(slope(x).norm() for x in at)
    return (torch.mean(discriminator(real)) - torch.mean(discriminator(fake))) / steepest


def from_critic_one_step_off(discriminator, real, fake, at):
    return (discriminator(real)[1:].mean() - discriminator(fake).mean()) / slopes_at(discriminator, at).max()


RIGHT: dict[str, list[Answer]] = {
    "hinge_discriminator": [hinge_reference, hinge_clamped, hinge_minimum, hinge_joined, hinge_ranked],
    "clip_critic": [clip_reference, clip_data, clip_reassigned_data, clip_copy, clip_by_torch, clip_by_masks],
    "wgan_gp_penalty": [gp_reference, gp_grad_outputs, gp_all_axes, gp_torch_func, gp_vmap],
    "relativistic_generator": [
        relativistic_reference, relativistic_logsigmoid, relativistic_bce, relativistic_by_hand,
        relativistic_split,
    ],
    "distance_from_critic": [from_critic_reference, from_critic_in_place, from_critic_by_torch_func],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "hinge_discriminator": [
        (lambda r, f: hinge_reference(r.detach(), f), "learns nothing from `real_logits`"),
        (lambda r, f: (hinge_reference(r, f) + hinge_reference(r.detach(), f)) / 2, "not the slope"),
        (lambda r, f: hinge_reference(r, f) + 0.1, "it should be"),
        (lambda r, f: F.relu(1 - r) + F.relu(1 + f), "shape (6,)"),
    ],
    "clip_critic": [
        (clip_state, "(a buffer is no weight: go through parameters()): your function raised"),
        (clipping(lambda p, c: p.clamp(-0.03, 0.03)), "with limit 0.01"),
    ],
    "wgan_gp_penalty": [
        (gp_without_graph, "create_graph=True"),
        (gp_half_detached, "something in it is detached"),
        (lambda d, x, y, t: 3 * gp_reference(d, x, y, t), "it should be"),
    ],
    "relativistic_generator": [
        (lambda f, r: -(f - r).sigmoid().log().mean(), "overflow"),
        (lambda f, r: -((f - r).sigmoid() + 1e-8).log().mean(), "holds the log back"),
        (lambda f, r: F.softplus(r - f.detach()).mean(), "no gradient reaches G"),
        (lambda f, r: F.softplus(r - (f + f.detach()) / 2).mean(), "something in it is detached"),
        (lambda f, r: 1.7 * F.softplus(r - f).mean(), "it should be"),
        (lambda f, r: F.softplus(r.sort().values - f.sort().values).mean(), "it should be"),
        (lambda f, r: F.softplus(r - f), "shape (6,)"),
    ],
    "distance_from_critic": [
        (from_critic_one_step_off, "it should be"),
        (lambda d, x, y, at: (d(x).mean() - d(y).mean()) / slopes_at(d, at), "shape (5,)"),
        (lambda d, x, y, at: (d(x).mean() - d(y).mean()) / slopes_at(d, at).clamp(min=1).max() + 0.5, "should be"),
    ],
}  # fmt: skip
