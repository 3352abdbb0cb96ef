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


def loss_other_names(D, G, latents, T):
    return -F.logsigmoid(D(T(G(latents)))).mean()


def loss_with_frozen_judge(discriminator, generator, z, augment):
    discriminator.requires_grad_(False)
    loss = torch.logaddexp(torch.zeros(()), -discriminator(augment(generator(z)))).mean()
    discriminator.requires_grad_(True)
    return loss


def loss_no_grad_around_t(discriminator, generator, z, augment):
    with torch.no_grad():
        seen = augment(generator(z))
    return F.softplus(-discriminator(seen)).mean()


def loss_detached_logits(discriminator, generator, z, augment):
    return F.softplus(-discriminator(augment(generator(z)))).mean().detach()


def loss_straight_through(discriminator, generator, z, augment):
    fake = generator(z)
    return F.softplus(-discriminator(fake + (augment(fake) - fake).detach())).mean()


def loss_half_plain(discriminator, generator, z, augment):
    fake = generator(z)
    return F.softplus(-discriminator(torch.cat([augment(fake), fake]))).mean()


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


def shift_rolled(images, offsets):
    return torch.stack([x.roll(int(k), 2) for x, k in zip(images, offsets, strict=True)])


def shift_all_alike(images, offsets):
    return shift_by_negative_padding(images, offsets[:1].expand(len(images)))


def shift_left(images, offsets):
    return shift_reference(images, -offsets)


def shift_down(images, offsets):
    return shift_reference(images.transpose(2, 3), offsets).transpose(2, 3)


def shift_black(images, offsets):
    return shift_reference(images + 1, offsets) - 1


def shift_repeating_the_edge(images, offsets):
    index = (torch.arange(images.shape[3]) - offsets[:, None]).clamp(0, images.shape[3] - 1)
    return images.gather(3, index[:, None, None].expand_as(images))


def shift_uncut(images, offsets):
    room = int(offsets.abs().max())
    return F.pad(images, (room, room))


@torch.no_grad()
def shift_without_gradient(images, offsets):
    return shift_reference(images, offsets)


def shift_straight_through(images, offsets):
    return images + (shift_reference(images, offsets) - images).detach()


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


def ada(statistic=lambda x: x.sign().mean(), target=0.6, every=4, turn=1, low=0.0, high=1.0, batch=True):
    """A mistaken controller."""

    def ada_step(p, real_logits, batch_size, images_to_one):
        move = (batch_size if batch else 1) * every / images_to_one
        direction = turn * torch.sign(statistic(real_logits) - target).item()
        return min(max(p + direction * move, low), high)

    return ada_step


def ada_proportional(p, real_logits, batch_size, images_to_one):
    excess = real_logits.sign().mean().item() - 0.6
    return min(max(p + excess * 4 * batch_size / images_to_one, 0.0), 1.0)


def ada_share_above_target(p, real_logits, batch_size, images_to_one):
    direction = 1 if (real_logits > 0).float().mean() > 0.6 else -1
    return min(max(p + direction * 4 * batch_size / images_to_one, 0.0), 1.0)


def ada_only_up(p, real_logits, batch_size, images_to_one):
    return min(p + (real_logits.sign().mean().item() > 0.6) * 4 * batch_size / images_to_one, 1.0)


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


def leak(formula):
    """An answer that is `formula(d, w, ...)` with the two differences and the means they come from."""

    def leak_share(samples, real, transform):
        ours, mean, own = samples.mean(0), real.mean(0), transform(samples).mean(0)
        return formula(ours - mean, transform(real).mean(0) - mean, ours, own)

    return leak_share


RIGHT: dict[str, list[Answer]] = {
    "augmented_generator_loss": [loss_reference, loss_bce, loss_other_names, loss_with_frozen_judge],
    "shift_right": [shift_reference, shift_by_gathering, shift_by_negative_padding, shift_by_matrices],
    "ada_step": [ada_reference, ada_in_tensors, ada_by_share],
    "leak_share": [leak_reference, leak_by_library, leak_by_least_squares, leak_flat],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "augmented_generator_loss": [
        (lambda d, g, z, t: F.softplus(-d(g(z))).mean(), "T is missing"),
        (lambda d, g, z, t: F.softplus(-t(d(g(z)))).mean(), "D's logits"),
        (lambda d, g, z, t: F.softplus(-d(g(t(z)))).mean(), "to the latents"),
        (lambda d, g, z, t: F.softplus(d(t(g(z)))).mean(), "sign is D's"),
        (lambda d, g, z, t: -F.softplus(d(t(g(z)))).mean(), "minimax"),
        (lambda d, g, z, t: F.softplus(-d(t(g(z)))).sum(), "summed"),
        (lambda d, g, z, t: F.softplus(-d(t(t(g(z))))).mean(), "applied twice"),
        (lambda d, g, z, t: 3 * F.softplus(-d(t(g(z)))).mean(), "it should be"),
        (lambda d, g, z, t: F.softplus(-d(t(g(z)))), "shape (5,)"),
        (loss_half_plain, "half of your loss"),
        (loss_no_grad_around_t, "no gradient reaches G"),
        (loss_detached_logits, "no gradient leaves"),
        (loss_straight_through, "G's gradient is not"),
        (loss_that_steps, "calls backward"),
    ],
    "shift_right": [
        (shift_rolled, "comes in again"),
        (shift_all_alike, "first image's offset"),
        (lambda x, k: x.roll(int(k[0]), 3), "rolled by the first"),
        (shift_left, "to the left"),
        (shift_down, "move down"),
        (shift_black, "fills with 0"),
        (shift_repeating_the_edge, "edge's pixels"),
        (shift_uncut, "cut back"),
        (shift_without_gradient, "no gradient passes"),
        (shift_straight_through, "its gradient is not"),
        (lambda x, k: x.clone(), "have not moved"),
        (lambda x, k: shift_reference(x, k.clamp(-2, 2)), "offset 3"),
    ],
    "ada_step": [
        (ada(turn=-1), "sign is turned"),
        (ada(low=-9, high=9), "leaves [0, 1]"),
        (ada(low=-9), "below 0"),
        (ada(high=9), "above 1"),
        (ada(batch=False), "batch size is forgotten"),
        (ada(every=1), "the 4 is forgotten"),
        (ada(batch=False, every=1), "counts adjustments"),
        (ada(statistic=lambda x: x.mean()), "has no scale"),
        (ada(statistic=lambda x: x.mean().sign()), "sign of the mean"),
        (ada_share_above_target, "share of positive"),
        (ada(statistic=lambda x: x.sigmoid().mean()), "mean probability"),
        (ada(target=0.0), "target is 0 here"),
        (ada(target=-0.6), "wrong side"),
        (ada_proportional, "proportional"),
        (ada_only_up, "only rise"),
        (lambda p, logits, b, n: p, "stays as it is"),
        (lambda p, logits, b, n: logits, "one number"),
        (lambda p, logits, b, n: 0.5, "it should be"),
    ],
    "leak_share": [
        (leak(lambda d, w, ours, own: 1 - (d * w).sum() / w.square().sum()), "*not* transformed"),
        (leak(lambda d, w, ours, own: -(d * w).sum() / w.square().sum()), "sign is turned"),
        (leak(lambda d, w, ours, own: (d * w).sum() / w.norm()), "squared length"),
        (leak(lambda d, w, ours, own: (d * w).sum()), "not divided by <w, w>"),
        (leak(lambda d, w, ours, own: (d * w).mean()), "mean of w squared"),
        (leak(lambda d, w, ours, own: d.norm() / w.norm()), "ratio of lengths"),
        (leak(lambda d, w, ours, own: (d * w).sum() / d.square().sum()), "own difference"),
        (leak(lambda d, w, ours, own: F.cosine_similarity(d.flatten(), w.flatten(), 0)), "cosine"),
        (
            leak(lambda d, w, ours, own: (d * (own - ours)).sum() / (own - ours).square().sum()),
            "leak themselves",
        ),
        (leak(lambda d, w, ours, own: (d / w).mean()), "at every pixel"),
        (leak(lambda d, w, ours, own: d / w), "over all pixels"),
        (leak(lambda d, w, ours, own: (ours * w).sum() / w.square().sum()), "is not taken off"),
        (lambda samples, real, transform: 0.5, "your share is"),
    ],
}  # fmt: skip
