"""Answers to the exercises of "Image GANs", right and wrong."""

from __future__ import annotations

import torch
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


def loss_swapped(discriminator, generator, x, z):
    return F.softplus(discriminator(x)).mean() + F.softplus(-discriminator(generator(z).detach())).mean()


def loss_fakes_as_real(discriminator, generator, x, z):
    return F.softplus(-discriminator(x)).mean() + F.softplus(-discriminator(generator(z).detach())).mean()


def loss_without_detach(discriminator, generator, x, z):
    return F.softplus(-discriminator(x)).mean() + F.softplus(discriminator(generator(z))).mean()


def loss_of_probabilities(discriminator, generator, x, z):
    real, fake = (torch.sigmoid(discriminator(images)) for images in (x, generator(z).detach()))
    bce = F.binary_cross_entropy_with_logits
    return bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))


def loss_overflowing(discriminator, generator, x, z):
    real, fake = (torch.sigmoid(discriminator(images)) for images in (x, generator(z).detach()))
    return -(real.log().mean() + (1 - fake).log().mean())


def loss_clamped(discriminator, generator, x, z):
    real, fake = (torch.sigmoid(discriminator(images)) for images in (x, generator(z).detach()))
    bce = F.binary_cross_entropy
    return bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))


def loss_detached_logits(discriminator, generator, x, z):
    return F.softplus(-discriminator(x)).mean() + F.softplus(discriminator(generator(z)).detach()).mean()


def loss_real_logits_detached(discriminator, generator, x, z):
    fake = generator(z).detach()
    return F.softplus(-discriminator(x).detach()).mean() + F.softplus(discriminator(fake)).mean()


def loss_no_grad_at_all(discriminator, generator, x, z):
    with torch.no_grad():
        return loss_reference(discriminator, generator, x, z)


def loss_freezes_generator(discriminator, generator, x, z):
    generator.requires_grad_(False)
    return loss_without_detach(discriminator, generator, x, z)


def loss_draws_its_own_latents(discriminator, generator, x, z):
    return loss_reference(discriminator, generator, x, torch.randn_like(z))


def loss_steps_itself(discriminator, generator, x, z):
    loss = loss_reference(discriminator, generator, x, z)
    loss.backward(retain_graph=True)
    return loss


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


def ema_without_batch_counter(ema, generator, decay):
    with torch.no_grad():
        for p, q in zip(ema.parameters(), generator.parameters(), strict=True):
            p.mul_(decay).add_(q, alpha=1 - decay)
        for p, q in zip(ema.buffers(), generator.buffers(), strict=True):
            if p.is_floating_point():
                p.copy_(q)


@torch.no_grad()
def ema_foreach(ema, generator, decay):
    torch._foreach_lerp_(list(ema.parameters()), list(generator.parameters()), 1 - decay)
    for (_, p), (_, q) in zip(ema.named_buffers(), generator.named_buffers(), strict=True):
        p.copy_(q)


def mixed_parameters(mix):
    """An answer that writes mix(ema's, generator's, decay) into every parameter and copies buffers."""

    @torch.no_grad()
    def update_ema(ema, generator, decay):
        for p, q in zip(ema.parameters(), generator.parameters(), strict=True):
            p.copy_(mix(p, q, decay))
        for p, q in zip(ema.buffers(), generator.buffers(), strict=True):
            p.copy_(q)

    return update_ema


def ema_rebinding(ema, generator, decay):
    for p, q in zip(ema.parameters(), generator.parameters(), strict=True):
        p = decay * p + (1 - decay) * q


def ema_returning(ema, generator, decay):
    pairs = zip(ema.parameters(), generator.parameters(), strict=True)
    return [decay * p + (1 - decay) * q for p, q in pairs]


def ema_with_graph(ema, generator, decay):
    for p, q in zip(ema.parameters(), generator.parameters(), strict=True):
        p.mul_(decay).add_(q, alpha=1 - decay)


@torch.no_grad()
def ema_without_buffers(ema, generator, decay):
    for p, q in zip(ema.parameters(), generator.parameters(), strict=True):
        p.lerp_(q, 1 - decay)


@torch.no_grad()
def ema_all_tensors(ema, generator, decay):
    for p, q in zip(ema.state_dict().values(), generator.state_dict().values(), strict=True):
        p.mul_(decay).add_(q, alpha=1 - decay)


def ema_averaging_buffers(ema, generator, decay):
    old, new = ema.state_dict(), generator.state_dict()
    ema.load_state_dict({k: decay * old[k] + (1 - decay) * new[k] for k in new})


@torch.no_grad()
def ema_sharing_buffers(ema, generator, decay):
    ema_without_buffers(ema, generator, decay)
    for p, q in zip(ema.buffers(), generator.buffers(), strict=True):
        p.data = q.data


@torch.no_grad()
def ema_into_generator(ema, generator, decay):
    for p, q in zip(ema.parameters(), generator.parameters(), strict=True):
        q.lerp_(p, decay)


RIGHT: dict[str, list[Answer]] = {
    "upsampled_size": [
        size_reference, size_by_torch, size_by_inverting, size_names_in_other_order, size_without_names,
        size_keywords_only,
    ],
    "discriminator_loss": [loss_reference, loss_bce, loss_logsigmoid, loss_joined, loss_chunks],
    "update_ema": [ema_reference, ema_data, ema_state_dict, ema_without_batch_counter, ema_foreach],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "upsampled_size": [
        (lambda n, k, s, p: (n + 2 * p - k) // s + 1, "ordinary convolution"),
        (lambda n, k, s, p: n * s - 2 * p + k, "the -1 is missing"),
        (lambda n, k, s, p: (n - 1) * s + 2 * p + k, "padding is added"),
        (lambda n, k, s, p: (n - 1) * s - p + k, "cut off once"),
        (lambda n, k, s, p: (n - 1) * s + k, "left out"),
        (lambda n, k, s, p: n * s, "in general kernel and padding count"),
        (lambda n, k, s, p: (n - 1) * s - 2 * p + k - 1, "one too small"),
        (lambda n, k, s, p: (n - 1) * s - 2 * p + k / 1, "is a float"),
        (lambda n, k, s, p: 14, "for size 1, kernel 4, stride 1, padding 0"),
        (lambda size, kernel: size, "your function takes (size, kernel)"),
        (lambda n, k, s, p: (n, n), "one whole number"),
        (lambda n, k, s, p: str((n - 1) * s - 2 * p + k), "returns '14'"),
        (lambda n, k, s, p: n // (p - p), "raised ZeroDivisionError"),
    ],
    "discriminator_loss": [
        (loss_swapped, "swapped"),
        (loss_fakes_as_real, "what G wants"),
        (loss_without_detach, "gradients reach G"),
        (loss_of_probabilities, "not probabilities"),
        (lambda *a: 5 * loss_reference(*a), "summed"),
        (lambda d, g, x, z: F.softplus(-d(x)).mean(), "only the real half"),
        (lambda d, g, x, z: F.softplus(d(g(z).detach())).mean(), "only the fake half"),
        (lambda *a: loss_reference(*a) / 2, "half of ours"),
        (lambda *a: -loss_reference(*a), "sign is turned"),
        (lambda d, g, x, z: d(g(z).detach()).mean() - d(x).mean(), "Wasserstein"),
        (loss_overflowing, "overflows"),
        (loss_clamped, "held back"),
        (loss_detached_logits, "nothing from the fakes"),
        (loss_real_logits_detached, "nothing from the real"),
        (loss_no_grad_at_all, "no gradient reaches D"),
        (loss_freezes_generator, "no longer want gradients"),
        (loss_draws_its_own_latents, "draws from torch's global"),
        (loss_steps_itself, "calls backward"),
        (lambda *a: loss_reference(*a).item(), "without .item()"),
        (lambda d, g, x, z: F.softplus(-d(x)), "shape (5,)"),
        (lambda *a: (loss_reference(*a), 0), "a tuple"),
        (lambda *a: 2.5 * loss_reference(*a), "it should be"),
        (loss_raising, "ValueError"),
    ],
    "update_ema": [
        (mixed_parameters(lambda p, q, decay: (1 - decay) * p + decay * q), "swapped"),
        (mixed_parameters(lambda p, q, decay: q), "nothing is averaged"),
        (mixed_parameters(lambda p, q, decay: p + (1 - decay) * q), "not multiplied by decay"),
        (mixed_parameters(lambda p, q, decay: 0.999 * p + 0.001 * q), "keeps 0.999"),
        (mixed_parameters(lambda p, q, decay: 0.9 * p + 0.1 * q), "wrong for decay 0.75"),
        (mixed_parameters(lambda p, q, decay: p.sign()), "16 of 16 parameters"),
        (ema_without_buffers, "forgotten"),
        (ema_all_tensors, "count of batches is an integer"),
        (ema_averaging_buffers, "the buffers are averaged"),
        (ema_sharing_buffers, "shares memory"),
        (ema_with_graph, "part of the gradient's graph"),
        (ema_rebinding, "gives the name p"),
        (ema_returning, "write into `ema` itself"),
        (ema_into_generator, "the generator has changed"),
    ],
}  # fmt: skip
