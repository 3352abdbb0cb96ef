"""Answers to the exercises of "Augmentation", right and wrong."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from . import Answer

# --- augmented_generator_loss ---


def loss_reference(discriminator, generator, z, augment):
    return F.softplus(-discriminator(augment(generator(z)))).mean()


def loss_bce(discriminator, generator, z, augment):
    logits = discriminator(augment(generator(z)))
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def loss_with_frozen_judge(discriminator, generator, z, augment):
    discriminator.requires_grad_(False)
    loss = torch.logaddexp(torch.zeros(()), -discriminator(augment(generator(z)))).mean()
    discriminator.requires_grad_(True)
    return loss


def loss_straight_through(discriminator, generator, z, augment):
    fake = generator(z)
    return F.softplus(-discriminator(fake + (augment(fake) - fake).detach())).mean()


def loss_that_steps(discriminator, generator, z, augment):
    loss = loss_reference(discriminator, generator, z, augment)
    loss.backward(retain_graph=True)
    return loss


# --- shift_right ---


def shift_reference(images, offsets):
    width = images.shape[3]
    room = int(offsets.abs().max())
    padded = F.pad(images, (room, room))
    return torch.stack([x[:, :, room - k : room - k + width] for x, k in zip(padded, offsets.tolist(), strict=True)])


def shift_by_gathering(images, offsets):
    source = torch.arange(images.shape[3]) - offsets[:, None]
    inside = ((source >= 0) & (source < images.shape[3]))[:, None, None]
    index = source.clamp(0, images.shape[3] - 1)[:, None, None].expand_as(images)
    return images.gather(3, index) * inside


def shift_by_negative_padding(images, offsets):
    return torch.cat([F.pad(x[None], (int(k), -int(k))) for x, k in zip(images, offsets, strict=True)])


def shift_by_matrices(batch, steps):
    width = batch.shape[3]
    place = torch.arange(width)
    moves = (place[None, :] == place[:, None] + steps.view(-1, 1, 1)).float()  # from, to
    return torch.einsum("nchw,nwv->nchv", batch, moves)


def shift_with_room(room, images, offsets):
    wide, width = F.pad(images, (room, room)), images.shape[3]
    return torch.stack([x[..., room - k : room - k + width] for x, k in zip(wide, offsets.tolist(), strict=True)])


@torch.no_grad()
def shift_without_gradient(images, offsets):
    return shift_reference(images, offsets)


# --- ada_step ---


def ada_reference(p, real_logits, batch_size, images_to_one):
    r = real_logits.sign().mean().item()
    move = 4 * batch_size / images_to_one
    if r > 0.6:
        p = p + move
    elif r < 0.6:
        p = p - move
    return min(max(p, 0.0), 1.0)


def ada_in_tensors(p, real_logits, batch_size, images_to_one):
    r = torch.sign(real_logits).mean()
    return (p + torch.sign(r - 0.6) * batch_size * 4 / images_to_one).clamp(0, 1)


def ada_by_share(probability, logits, images, pace):
    above = 2 * (logits > 0).float().mean() - 1 > 0.6
    moved = probability + (1 if above else -1) * images * 4 / pace
    return torch.as_tensor(moved).clamp(0, 1)


# --- leak_share ---


def leak_reference(samples, real, transform):
    w = transform(real).mean(0) - real.mean(0)
    d = samples.mean(0) - real.mean(0)
    return (d * w).sum() / w.square().sum()


def leak_by_library(samples, real, transform):
    from tgan_lib.augment import leaks

    return leaks(samples, real, transform)


def leak_by_least_squares(samples, real, transform):
    mean = real.mean(0)
    w, d = (transform(real).mean(0) - mean).reshape(-1, 1), (samples.mean(0) - mean).reshape(-1, 1)
    return float(torch.linalg.lstsq(w, d).solution)


def leak_flat(made, data, t):
    a, b, c = (x.flatten(1).mean(0) for x in (made, data, t(data)))
    return ((a - b) @ (c - b) / torch.linalg.norm(c - b) ** 2).item()


RIGHT: dict[str, list[Answer]] = {
    "augmented_generator_loss": [
        loss_reference,
        loss_bce,
        lambda D, G, latents, T: -F.logsigmoid(D(T(G(latents)))).mean(),
        loss_with_frozen_judge,
    ],
    "shift_right": [shift_reference, shift_by_gathering, shift_by_negative_padding, shift_by_matrices],
    "ada_step": [ada_reference, ada_in_tensors, ada_by_share],
    "leak_share": [leak_reference, leak_by_library, leak_by_least_squares, leak_flat],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "augmented_generator_loss": [
        (lambda d, g, z, t: 3 * F.softplus(-d(t(g(z)))).mean(), "it should be"),
        (lambda d, g, z, t: F.softplus(-d(t(g(z)))), "shape (5,)"),
        (lambda d, g, z, t: F.softplus(-d(t(g(z).detach()))).mean(), "no gradient reaches G"),
        (loss_straight_through, "G's gradient is not"),
        (loss_that_steps, "calls backward"),
    ],
    "shift_right": [
        (lambda x, k: F.pad(x, (4, 4)), "cut back"),
        (shift_without_gradient, "no gradient passes"),
        (lambda images, offsets: images + (shift_reference(images, offsets) - images).detach(), "its gradient is not"),
        (lambda x, k: shift_reference(x, k.clamp(-2, 2)), "is not where it should be"),
        (lambda x, k: shift_with_room(int(k.max()), x, k), "the room that you pad must suffice"),
        (lambda x, k: shift_with_room(6, x, k), "in a wide image"),
        (lambda x, k: shift_reference(x, k.clamp(-8, 8)), "in an image 12 wide"),
    ],
    "ada_step": [(lambda p, logits, b, n: logits, "one number"), (lambda p, logits, b, n: 0.5, "it should be")],
    "leak_share": [
        (lambda made, real, t: (made.mean(0) - real.mean(0)) * (t(real) - real).mean(0), "over all pixels"),
        (lambda samples, real, transform: 0.5, "your share is"),
        (lambda *images: leak_reference(*images).clamp(min=0), "-0.20"),
        (lambda *images: leak_reference(*images).clamp(max=1), "1.30"),
    ],
}
