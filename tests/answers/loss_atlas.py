"""Answers to the exercises of "An atlas of losses", right and wrong."""

from __future__ import annotations

import torch
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


def hinge_real_detached(real_logits, fake_logits):
    return F.relu(1 - real_logits.detach()).mean() + F.relu(1 + fake_logits).mean()


def hinge_no_grad(real_logits, fake_logits):
    with torch.no_grad():
        return hinge_reference(real_logits, fake_logits)


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


def clipped_with(change):
    """An answer that writes change(parameter, limit) into every parameter."""

    @torch.no_grad()
    def clip_critic(discriminator, limit):
        for p in discriminator.parameters():
            p.copy_(change(p, limit))

    return clip_critic


def clip_rebinding(discriminator, limit):
    for p in discriminator.parameters():
        p = p.clamp(-limit, limit)


def clip_returning(discriminator, limit):
    return [p.clamp(-limit, limit) for p in discriminator.parameters()]


def clip_gradients(discriminator, limit):
    torch.nn.utils.clip_grad_value_(discriminator.parameters(), limit)


def clip_gradients_too(discriminator, limit):
    clip_reference(discriminator, limit)
    discriminator.zero_grad()


@torch.no_grad()
def clip_weights_only(discriminator, limit):
    for name, p in discriminator.named_parameters():
        if "weight" in name:
            p.clamp_(-limit, limit)


@torch.no_grad()
def clip_linear_layers_only(discriminator, limit):
    for layer in discriminator.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.clamp_(-limit, limit)
            layer.bias.clamp_(-limit, limit)


@torch.no_grad()
def clip_state(discriminator, limit):
    for p in discriminator.state_dict().values():
        p.clamp_(-limit, limit)


def clip_new_objects(discriminator, limit):
    for layer in discriminator:
        for name, p in list(layer.named_parameters()):
            setattr(layer, name, nn.Parameter(p.detach().clamp(-limit, limit)))


def clip_frozen(discriminator, limit):
    for p in discriminator.parameters():
        p.requires_grad_(False).clamp_(-limit, limit)


@torch.no_grad()
def clip_as_one_vector(discriminator, limit):
    vector = nn.utils.parameters_to_vector(discriminator.parameters())
    nn.utils.vector_to_parameters(vector * limit / vector.norm(), discriminator.parameters())


def clip_without_no_grad(discriminator, limit):
    for p in discriminator.parameters():
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


def gp_of(change):
    """An answer that is change(gradients, (N, C, H, W))."""

    def wgan_gp_penalty(discriminator, real, fake, t):
        return change(gradients_between(discriminator, real, fake, t))

    return wgan_gp_penalty


def norms(g):
    return g.flatten(1).norm(dim=1)


def gp_of_mean(discriminator, real, fake, t):
    mixed = (t * real + (1 - t) * fake).requires_grad_()
    g = torch.autograd.grad(discriminator(mixed).mean(), mixed, create_graph=True)[0]
    return (norms(g) - 1).square().mean()


def gp_without_graph(discriminator, real, fake, t):
    return (norms(gradients_between(discriminator, real, fake, t, create_graph=False)) - 1).square().mean()


def gp_half_detached(discriminator, real, fake, t):
    norm = norms(gradients_between(discriminator, real, fake, t))
    return ((norm - 1) * (norm - 1).detach()).mean()


def gp_own_t(discriminator, real, fake, t):
    return gp_reference(discriminator, real, fake, torch.rand_like(t))


def gp_backward(discriminator, real, fake, t):
    penalty = gp_reference(discriminator, real, fake, t)
    penalty.backward(retain_graph=True)
    return penalty


def gp_not_wanting_gradients(discriminator, real, fake, t):
    mixed = t * real + (1 - t) * fake
    return (norms(torch.autograd.grad(discriminator(mixed).sum(), mixed)[0]) - 1).square().mean()


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


def relativistic_overflowing(fake_logits, real_logits):
    return -torch.sigmoid(fake_logits - real_logits).log().mean()


def relativistic_held_back(fake_logits, real_logits):
    return -(torch.sigmoid(fake_logits - real_logits) + 1e-8).log().mean()


def relativistic_detached(fake_logits, real_logits):
    return F.softplus(real_logits - fake_logits.detach()).mean()


def relativistic_half_detached(fake_logits, real_logits):
    lead = real_logits - fake_logits
    return F.softplus(torch.cat([lead[:3], lead[3:].detach()])).mean()


def relativistic_no_grad(fake_logits, real_logits):
    return torch.tensor(relativistic_reference(fake_logits, real_logits).item())


def average_halves(fake, real):
    return F.softplus(real.mean() - fake).mean() + F.softplus(real - fake.mean()).mean()


RIGHT: dict[str, list[Answer]] = {
    "hinge_discriminator": [hinge_reference, hinge_clamped, hinge_minimum, hinge_joined, hinge_ranked],
    "clip_critic": [clip_reference, clip_data, clip_reassigned_data, clip_copy, clip_by_torch, clip_by_masks],
    "wgan_gp_penalty": [gp_reference, gp_grad_outputs, gp_all_axes, gp_torch_func, gp_vmap],
    "relativistic_generator": [
        relativistic_reference, relativistic_logsigmoid, relativistic_bce, relativistic_by_hand,
        relativistic_split,
    ],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "hinge_discriminator": [
        (lambda r, f: F.relu(1 + r).mean() + F.relu(1 - f).mean(), "swapped"),
        (lambda r, f: F.relu(1 - r).mean() + F.relu(1 - f).mean(), "treated as reals"),
        (lambda r, f: F.relu(-r).mean() + F.relu(f).mean(), "margin is missing"),
        (lambda r, f: (1 - r).mean() + (1 + f).mean(), "nothing is cut off"),
        (lambda r, f: F.relu((1 - r).mean()) + F.relu((1 + f).mean()), "after the mean"),
        (lambda r, f: -hinge_reference(r, f), "sign is turned"),
        (lambda r, f: F.relu(r - 1).mean() + F.relu(-1 - f).mean(), "min became a max"),
        (lambda r, f: F.relu(1 - r).sum() + F.relu(1 + f).sum(), "summed"),
        (lambda r, f: hinge_reference(r, f) / 2, "half of ours"),
        (lambda r, f: F.relu(1 - r).mean(), "only the real half"),
        (lambda r, f: F.relu(1 + f).mean(), "only the fake half"),
        (lambda r, f: F.softplus(1 - r).mean() + F.softplus(1 + f).mean(), "never quite stops"),
        (lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(), "logistic loss"),
        (lambda r, f: hinge_reference(r.sigmoid(), f.sigmoid()), "a sigmoid comes first"),
        (lambda r, f: F.relu(1 - r).square().mean() + F.relu(1 + f).square().mean(), "squared"),
        (lambda r, f: F.relu(1 - r + f).mean(), "relativistic hinge"),
        (hinge_real_detached, "real logits are detached"),
        (hinge_no_grad, "no gradient reaches D"),
        (lambda r, f: hinge_reference(r, f) + 0.1, "it should be"),
        (lambda r, f: F.relu(1 - r) + F.relu(1 + f), "shape (6,)"),
        (lambda r, f: hinge_reference(r, f).item(), "without .item()"),
        (lambda r: F.relu(1 - r).mean(), "your function takes (r)"),
    ],
    "clip_critic": [
        (clip_rebinding, "gives the name p"),
        (clip_returning, "returns something"),
        (clip_gradients, "gradients were clipped"),
        (clip_gradients_too, "gradients have changed"),
        (clipped_with(lambda p, c: p.clamp(max=c)), "only the upper side"),
        (clipped_with(lambda p, c: p.clamp(min=-c)), "only the lower side"),
        (clipped_with(lambda p, c: p.clamp(0, c)), "[0, limit]"),
        (clipped_with(lambda p, c: p.abs().clamp(max=c)), "lost their signs"),
        (clipped_with(lambda p, c: p.sign() * c), "is at the limit now"),
        (clipped_with(lambda p, c: c * (p / c).tanh()), "tanh"),
        (clipped_with(lambda p, c: torch.where(p.abs() > c, torch.zeros(()), p)), "set to 0"),
        (clip_as_one_vector, "rescaled"),
        (clip_weights_only, "biases"),
        (clip_linear_layers_only, "some parameters are left out"),
        (clip_state, "A buffer is no weight"),
        (clip_new_objects, "new objects"),
        (clip_frozen, "no longer train"),
        (clipped_with(lambda p, c: p.clamp(-0.03, 0.03)), "with limit 0.01"),
        (clip_without_no_grad, "RuntimeError"),
    ],
    "wgan_gp_penalty": [
        (gp_of(lambda g: (g.norm() - 1).square()), "over the whole batch"),
        (gp_of(lambda g: (g.norm(dim=0) - 1).square().mean()), "batch axis"),
        (gp_of(lambda g: (g.norm(2, dim=1) - 1).square().mean()), "channels alone"),
        (gp_of_mean, "N times too small"),
        (gp_of(lambda g: (g.square().sum(dim=(1, 2, 3)) - 1).square().mean()), "root is missing"),
        (gp_of(lambda g: norms(g).square().mean()), "the 1 is missing"),
        (gp_of(lambda g: norms(g).square().mean() / 2), "R1's formula"),
        (gp_of(lambda g: (norms(g) - 1).mean()), "the square is missing"),
        (gp_of(lambda g: (norms(g) - 1).abs().mean()), "absolute value"),
        (gp_of(lambda g: (norms(g).mean() - 1).square()), "mean came before the square"),
        (gp_of(lambda g: (norms(g) - 1).square().sum()), "summed"),
        (gp_of(lambda g: 10 * (norms(g) - 1).square().mean()), "weight 10"),
        (gp_of(lambda g: (norms(g) - 1).square().mean() / 2), "no factor 1/2"),
        (gp_of(lambda g: F.relu(norms(g) - 1).square().mean()), "one-sided"),
        (lambda d, x, y, t: gp_reference(d, x, y, torch.ones_like(t)), "at the real images"),
        (lambda d, x, y, t: gp_reference(d, x, y, torch.zeros_like(t)), "at the fakes"),
        (lambda d, x, y, t: gp_reference(d, x, y, 0.5), "midway"),
        (lambda d, x, y, t: gp_reference(d, 2 * x, 2 * y, torch.full_like(t, 0.5)), "added up"),
        (gp_without_graph, "create_graph=True"),
        (gp_half_detached, "something in it is detached"),
        (gp_own_t, "draws from torch's global"),
        (gp_backward, "calls backward"),
        (gp_not_wanting_gradients, "RuntimeError"),
        (lambda d, x, y, t: 3 * gp_reference(d, x, y, t), "it should be"),
    ],
    "relativistic_generator": [
        (lambda f, r: F.softplus(f - r).mean(), "this is D's loss"),
        (lambda f, r: F.softplus(r[:, None] - f).mean(), "all N^2 pairs"),
        (lambda f, r: F.softplus(-f).mean(), "non-saturating"),
        (lambda f, r: F.softplus(r.mean() - f.mean()), "mean came before the softplus"),
        (lambda f, r: F.softplus(r.mean() - f).mean(), "the reals' *average*"),
        (average_halves, "in both its halves"),
        (lambda f, r: average_halves(f, r) / 2, "both halves averaged"),
        (lambda f, r: -F.softplus(f - r).mean(), "minimax form"),
        (lambda f, r: -F.softplus(r - f).mean(), "sign is turned"),
        (lambda f, r: (r - f).mean(), "softplus is missing"),
        (lambda f, r: F.relu(1 + r - f).mean(), "a hinge stands"),
        (lambda f, r: F.softplus(r.sigmoid() - f.sigmoid()).mean(), "not the probabilities"),
        (lambda f, r: F.softplus(r + f).mean(), "added up; what counts"),
        (lambda f, r: F.softplus(r - f).sum(), "summed"),
        (lambda f, r: F.softplus(r - f).mean() + F.softplus(f - r).mean(), "both players"),
        (relativistic_overflowing, "overflow"),
        (relativistic_held_back, "holds the log back"),
        (relativistic_detached, "G learns nothing"),
        (relativistic_half_detached, "something in it is detached"),
        (relativistic_no_grad, "no gradient reaches G"),
        (lambda f, r: 1.7 * F.softplus(r - f).mean(), "it should be"),
        (lambda f, r: F.softplus(r.sort().values - f.sort().values).mean(), "it should be"),
        (lambda f, r: F.softplus(r - f), "shape (6,)"),
    ],
}  # fmt: skip
