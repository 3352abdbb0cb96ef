"""Answers to the exercises of "Image GANs", right and wrong."""

from __future__ import annotations

import torch
from tgan_lib.exercises.image_gans import updating
from torch import nn
from torch.nn import functional as F

from . import Answer

# --- upsampled_size ---


def size_reference(size, kernel, stride, padding):
    return (size - 1) * stride - 2 * padding + kernel


def size_by_torch(size, kernel, stride, padding):
    return nn.ConvTranspose2d(1, 1, kernel, stride, padding)(torch.zeros(1, 1, size, size)).shape[-1]


def size_by_inverting(size, kernel, stride, padding):
    output = 1
    while (output + 2 * padding - kernel) // stride + 1 != size:
        output += 1
    return output


def size_names_in_other_order(size, padding, stride, kernel):
    return size * stride - stride - padding - padding + kernel


def size_without_names(n, k, s, p):
    return torch.tensor((n - 1) * s - 2 * p + k)


def size_keywords_only(*, size, kernel, stride, padding):
    return (size - 1) * stride - 2 * padding + kernel


# --- mixed_difference ---


def mixed_reference(d, x, y, first, second):
    def changed(place):
        return d(torch.where(place, y, x))

    return d(x) - changed(first) - changed(second) + changed(first | second)


def mixed_by_copies(discriminator, x, other, first, second):
    one, two = x.clone(), x.clone()
    one[:, :, first], two[:, :, second] = other[:, :, first], other[:, :, second]
    both = one.clone()
    both[:, :, second] = other[:, :, second]
    return discriminator(x) + discriminator(both) - discriminator(one) - discriminator(two)


@torch.no_grad()
def mixed_by_weights(d, x, y, a, b):
    a, b = a.float(), b.float()
    batch = torch.cat([x + (y - x) * m for m in (0 * a, a, b, a + b)])
    none, one, two, both = d(batch).chunk(4)
    return (none - one) - (two - both)


def mixed_in_place(d, x, y, first, second):
    before = d(x)
    x[:, :, first] = y[:, :, first]
    one = d(x)
    x[:, :, second] = y[:, :, second]
    return before - one - d(torch.where(second, y, x)) + d(x)


# --- discriminator_loss ---


def loss_reference(discriminator, generator, x, z):
    fake = generator(z).detach()
    return F.softplus(-discriminator(x)).mean() + F.softplus(discriminator(fake)).mean()


def loss_bce(discriminator, generator, x, z):
    with torch.no_grad():
        fake = generator(z)
    real_logits, fake_logits = discriminator(x), discriminator(fake)
    bce = nn.BCEWithLogitsLoss()
    return bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))


def loss_logsigmoid(D, G, images, latents):
    real = D(images)
    fake = D(G(latents).detach())
    return -(F.logsigmoid(real) + F.logsigmoid(-fake)).mean()


def loss_joined(discriminator, generator, x, z):
    logits = discriminator(torch.cat([x, generator(z).detach()])).view(-1, 1)
    labels = torch.cat([torch.ones(len(x), 1), torch.zeros(len(z), 1)])
    return 2 * F.binary_cross_entropy_with_logits(logits, labels)


def loss_chunks(discriminator, generator, x, z):
    real, fake = discriminator(torch.cat([x, generator(z).detach()])).chunk(2)
    zero = torch.zeros(())
    return torch.logaddexp(zero, -real).mean() + torch.logaddexp(zero, fake).mean()


def loss_overflowing(discriminator, generator, x, z):
    return -discriminator(x).sigmoid().log().mean() - (1 - discriminator(generator(z).detach()).sigmoid()).log().mean()


def loss_clamped(discriminator, generator, x, z):
    real, fake = (discriminator(images).sigmoid() for images in (x, generator(z).detach()))
    return F.binary_cross_entropy(real, torch.ones(5)) + F.binary_cross_entropy(fake, torch.zeros(5))


def loss_raising(discriminator, generator, x, z):
    real = discriminator(x)
    return F.binary_cross_entropy_with_logits(real, torch.ones(len(x), 1))


# --- update_ema ---


@torch.no_grad()
def ema_reference(ema, generator, decay):
    for average, new in zip(ema.parameters(), generator.parameters(), strict=True):
        average.lerp_(new, 1 - decay)
    for average, new in zip(ema.buffers(), generator.buffers(), strict=True):
        average.copy_(new)


def ema_data(averaged, source, keep):
    for p, q in zip(averaged.parameters(), source.parameters(), strict=True):
        p.data = keep * p.data + (1 - keep) * q.data
    for p, q in zip(averaged.buffers(), source.buffers(), strict=True):
        p.data.copy_(q)


def ema_state_dict(ema, generator, decay):
    old, new = ema.state_dict(), generator.state_dict()
    averaged = {name for name, _ in ema.named_parameters()}
    mixed = {k: decay * old[k] + (1 - decay) * new[k] if k in averaged else new[k] for k in new}
    ema.load_state_dict(mixed)
    return ema


@torch.no_grad()
def ema_foreach(ema, generator, decay):
    torch._foreach_lerp_(list(ema.parameters()), list(generator.parameters()), 1 - decay)
    for (_, p), (_, q) in zip(ema.named_buffers(), generator.named_buffers(), strict=True):
        p.copy_(q)


@torch.no_grad()
def ema_all_tensors(ema, generator, decay):
    for p, q in zip(ema.state_dict().values(), generator.state_dict().values(), strict=True):
        p.mul_(decay).add_(q, alpha=1 - decay)


RIGHT: dict[str, list[Answer]] = {
    "upsampled_size": [
        size_reference, size_by_torch, size_by_inverting, size_names_in_other_order, size_without_names,
        size_keywords_only,
    ],
    "mixed_difference": [mixed_reference, mixed_by_copies, mixed_by_weights],
    "discriminator_loss": [loss_reference, loss_bce, loss_logsigmoid, loss_joined, loss_chunks],
    "update_ema": [ema_reference, ema_data, ema_state_dict, ema_foreach],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "upsampled_size": [
        (lambda n, k, s, p: (n - 1) * s - 2 * p + k / 1, "is a float"),
        (lambda n, k, s, p: 14, "for size 1, kernel 4, stride 1, padding 0"),
        (lambda size, kernel: size, "your function takes (size, kernel)"),
        (lambda n, k, s, p: (n, n), "one whole number"),
        (lambda n, k, s, p: str((n - 1) * s - 2 * p + k), "returns '14'"),
        (lambda n, k, s, p: n // (p - p), "raised ZeroDivisionError"),
    ],
    "mixed_difference": [
        (mixed_in_place, "changed in place"),
        (lambda d, x, y, a, b: mixed_reference(d, x, y, a, b).square(), "it should be"),
        (lambda d, x, y, a, b: mixed_reference(d, x, y, a, b).clamp(min=0), "the sign is lost"),
        (lambda d, x, y, a, b: torch.zeros(3), "it should be"),
        (lambda d, x, y, a, b: mixed_reference(d.eval(), x, y, a, b), "eval"),
    ],
    "discriminator_loss": [
        (loss_overflowing, "overflows"),
        (loss_clamped, "held back"),
        (torch.no_grad()(loss_reference), "no gradient reaches D"),
        (lambda d, g, x, z: loss_reference(d, g.requires_grad_(False), x, z), "no longer wants gradients"),
        (lambda d, g, x, z: loss_reference(d, g, x, torch.randn_like(z)), "draws from torch's global"),
        (lambda d, g, x, z: F.softplus(-d(x)), "shape (5,)"),
        (lambda *a: 2.5 * loss_reference(*a), "it should be"),
        (loss_raising, "ValueError"),
    ],
    "update_ema": [
        (updating(lambda p, q, decay: p.sign()), "0.weight[0, 0] is -1.0000 in ema"),
        (ema_all_tensors, "with it your function raised RuntimeError"),
        (lambda e, g, d: ema_reference(g, e, 1 - d), "moves weights that it should leave alone"),
        (lambda e, g, d: ema_reference(e, g.requires_grad_(False), d), "`generator` no longer wants gradients"),
    ],
}  # fmt: skip
