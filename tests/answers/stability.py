"""Answers to the exercises of "Stability", right and wrong."""

from __future__ import annotations

import torch
from tgan_lib import penalties
from torch.nn import functional as F

from . import Answer

# --- spectrally_normalised ---


def norm_reference(weight):
    return weight / torch.linalg.matrix_norm(weight.flatten(1), 2)


def norm_by_singular_values(w):
    return w / torch.linalg.svdvals(w.reshape(len(w), -1))[0]


def norm_by_eigenvalues(weight):
    matrix = weight.view(weight.shape[0], -1)
    return weight / torch.linalg.eigvalsh(matrix @ matrix.T)[-1].sqrt()


def norm_by_power_iteration(weight):
    matrix = weight.flatten(1)
    with torch.no_grad():
        v = torch.randn(matrix.shape[1])
        for _ in range(30):
            u = F.normalize(matrix @ v, dim=0)
            v = F.normalize(matrix.T @ u, dim=0)
    return weight / (u @ matrix @ v)


def iterate(rounds):
    """A power iteration from ones, of so many rounds."""

    def spectrally_normalised(weight):
        matrix = weight.flatten(1)
        v = torch.ones(matrix.shape[1])
        for _ in range(rounds):
            v = F.normalize(matrix.T @ (matrix @ v), dim=0)
        return weight / (matrix @ v).norm()

    return spectrally_normalised


def norm_by_traced_iteration(weight):
    """Of random vectors, with the gradient through every round."""
    matrix = weight.flatten(1)
    u = torch.randn(len(matrix))
    for _ in range(10):
        v = F.normalize(u @ matrix, dim=0)
        u = F.normalize(matrix @ v, dim=0)
    return weight / (u @ matrix @ v)


def norm_in_place(weight):
    weight.data /= torch.linalg.matrix_norm(weight.data.flatten(1), 2)
    return weight


def norm_clipped(weight):
    return weight / torch.linalg.matrix_norm(weight.flatten(1), 2).clamp(min=1)


def norm_detached_after_a_draw(weight):
    torch.randn(7)  # the check must not depend on it
    with torch.no_grad():
        sigma = torch.linalg.matrix_norm(weight.flatten(1), 2)
    return weight / sigma


# --- r1_penalty ---


def slopes(discriminator, x):
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.flatten(1)


def r1_reference(discriminator, x):
    return slopes(discriminator, x).square().sum(1).mean() / 2


def r1_by_norms(D, images):
    return 0.5 * (slopes(D, images).norm(dim=1) ** 2).mean()


def r1_by_grad_outputs(discriminator, x):
    x.requires_grad_(True)
    logits = discriminator(x)
    gradient = torch.autograd.grad(logits, x, torch.ones_like(logits), create_graph=True)[0]
    return gradient.pow(2).sum() / (2 * len(x))


def r1_one_by_one(discriminator, x):
    slope = torch.func.vmap(torch.func.grad(lambda image: discriminator(image[None])[0]))
    return slope(x).square().flatten(1).sum(1).mean() / 2


def r1_in_a_loop(discriminator, x):
    total = 0
    for image in x.split(1):
        image = image.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(image), image, create_graph=True)
        total = total + gradient.square().sum()
    return total / len(x) / 2


def r1_without_graph(discriminator, x):
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(x).sum(), x)
    return gradient.square().flatten(1).sum(1).mean() / 2


def r1_of_the_mean(discriminator, x):
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(x).mean(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean() / 2


def r1_of_the_mean_summed(discriminator, x):
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(x).mean(), x, create_graph=True)
    return gradient.square().sum() / 2


def r1_of_the_probability(discriminator, x):
    return r1_reference(lambda images: discriminator(images).sigmoid(), x)


def r1_in_the_weights(discriminator, x):
    (gradient,) = torch.autograd.grad(discriminator(x).mean(), [discriminator.weight], create_graph=True)
    return gradient.square().sum() / 2


def r1_by_backward(discriminator, x):
    x.requires_grad_()
    discriminator(x).sum().backward(create_graph=True)
    return x.grad.square().flatten(1).sum(1).mean() / 2


def r1_freezing(discriminator, x):
    discriminator.requires_grad_(False)
    return r1_without_graph(discriminator, x)


def r1_forgetting_requires_grad(discriminator, x):
    (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean() / 2


# --- smoothed_discriminator_loss ---


def smoothed_reference(real_logits, fake_logits, label):
    real = label * F.softplus(-real_logits) + (1 - label) * F.softplus(real_logits)
    return real.mean() + F.softplus(fake_logits).mean()


def smoothed_bce(real_logits, fake_logits, label):
    bce = F.binary_cross_entropy_with_logits
    real = bce(real_logits, torch.full_like(real_logits, label))
    return real + bce(fake_logits, torch.zeros_like(fake_logits))


def smoothed_short(r, f, a):
    return (F.softplus(r) - a * r + F.softplus(f)).mean()


def smoothed_logsigmoid(real_logits, fake_logits, label):
    yes, no = F.logsigmoid(real_logits), F.logsigmoid(-real_logits)
    return -(label * yes + (1 - label) * no).mean() - F.logsigmoid(-fake_logits).mean()


def smoothed_lerp(real_logits, fake_logits, label):
    zero = torch.zeros(())
    real = torch.lerp(F.softplus(real_logits), F.softplus(-real_logits), label)
    return real.mean() + torch.logaddexp(fake_logits, zero).mean()


def smoothed_both_sides(real_logits, fake_logits, label):
    bce = F.binary_cross_entropy_with_logits
    real = bce(real_logits, torch.full_like(real_logits, label))
    return real + bce(fake_logits, torch.full_like(fake_logits, 1 - label))


def smoothed_fakes_only(real_logits, fake_logits, label):
    bce = F.binary_cross_entropy_with_logits
    real = bce(real_logits, torch.ones_like(real_logits))
    return real + bce(fake_logits, torch.full_like(fake_logits, 1 - label))


def smoothed_scaled(real_logits, fake_logits, label):
    return label * F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def smoothed_probabilities(real_logits, fake_logits, label):
    return smoothed_bce(real_logits.sigmoid(), fake_logits.sigmoid(), label)


def smoothed_overflowing(real_logits, fake_logits, label):
    real, fake = real_logits.sigmoid(), fake_logits.sigmoid()
    return -(label * real.log() + (1 - label) * (1 - real).log()).mean() - (1 - fake).log().mean()


def smoothed_clamped(real_logits, fake_logits, label):
    real, fake = real_logits.sigmoid(), fake_logits.sigmoid()
    real = F.binary_cross_entropy(real, torch.full_like(real, label))
    return real + F.binary_cross_entropy(fake, torch.zeros_like(fake))


def smoothed_with_fakes_detached(real_logits, fake_logits, label):
    return smoothed_reference(real_logits, fake_logits.detach(), label)


def smoothed_without_gradient(real_logits, fake_logits, label):
    return smoothed_reference(real_logits.detach(), fake_logits.detach(), label)


RIGHT: dict[str, list[Answer]] = {
    "spectrally_normalised": [
        norm_reference, norm_by_singular_values, norm_by_eigenvalues, norm_by_power_iteration, iterate(20),
        norm_by_traced_iteration, lambda w: w / torch.linalg.norm(w.flatten(1), ord=2),
    ],
    "r1_penalty": [r1_reference, r1_by_norms, r1_by_grad_outputs, r1_one_by_one, r1_in_a_loop, penalties.r1],
    "smoothed_discriminator_loss": [
        smoothed_reference, smoothed_bce, smoothed_short, smoothed_logsigmoid, smoothed_lerp,
    ],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "spectrally_normalised": [
        (lambda w: w / w.norm(), "Frobenius"),
        (lambda w: F.normalize(w.flatten(1), dim=1).view_as(w), "weight normalisation"),
        (lambda w: w / torch.linalg.matrix_norm(w.flatten(1), 2) ** 2, "take the root"),
        (lambda w: w * torch.linalg.matrix_norm(w.flatten(1), 2), "is multiplied"),
        (lambda w: w / torch.linalg.matrix_norm(w.flatten(1), "nuc"), "sum of the singular values"),
        (lambda w: w / torch.linalg.svdvals(w.flatten(1))[-1], "smallest"),
        (lambda w: w / w.abs().max(), "largest entry"),
        (lambda w: w / torch.linalg.matrix_norm(w.transpose(0, 1).flatten(1), 2), "each *input*"),
        (lambda w: w / torch.linalg.matrix_norm(w.reshape(-1, w.shape[-1]), 2), "only the last axis"),
        (lambda w: w / torch.linalg.matrix_norm(w, 2)[..., None, None], "small k by k kernel"),
        (lambda w: w.clone(), "as it was"),
        (lambda w: torch.linalg.matrix_norm(w.flatten(1), 2), "one number"),
        (lambda w: norm_reference(w).flatten(1), "comes back as"),
        (iterate(1), "start from a random vector"),
        (torch.sign, "no multiple"),
        (norm_clipped, "left alone"),
        (norm_in_place, "in place"),
        (torch.no_grad()(norm_reference), "no gradient reaches the weight"),
        (norm_detached_after_a_draw, "sigma for a constant"),
        (lambda w: w / torch.linalg.matrix_norm(w, 2), "raised RuntimeError"),
    ],
    "r1_penalty": [
        (lambda d, x: 2 * r1_reference(d, x), "the half is missing."),
        (lambda d, x: slopes(d, x).square().mean() / 2, "averaged over the pixels too"),
        (lambda d, x: slopes(d, x).square().mean(), "averaged over the pixels, and the half"),
        (lambda d, x: slopes(d, x).square().sum() / 2, "summed over the batch; take"),
        (lambda d, x: slopes(d, x).square().sum(), "summed over the batch, and the half"),
        (r1_of_the_mean, "differentiated the *mean*"),
        (r1_of_the_mean_summed, "too small by the size of the batch"),
        (lambda d, x: slopes(d, x).norm(dim=1).mean() / 2, "not squared"),
        (lambda d, x: slopes(d, x).norm(dim=1).mean(), "this is the mean norm"),
        (lambda d, x: slopes(d, x).norm(dim=1).mean() ** 2 / 2, "square the mean of the norms"),
        (lambda d, x: slopes(d, x).mean(0).square().sum() / 2, "opposite slopes cancel"),
        (lambda d, x: (slopes(d, x).norm(dim=1) - 1).square().mean(), "as WGAN-GP does; R1"),
        (lambda d, x: (slopes(d, x).norm(dim=1) - 1).square().mean() / 2, "and halves it"),
        (r1_of_the_probability, "slope of the probability"),
        (r1_in_the_weights, "gradient in D's weights; R1"),
        (lambda d, x: -r1_reference(d, x), "sign is turned"),
        (r1_without_graph, "create_graph=True"),
        (r1_by_backward, "calls backward"),
        (r1_freezing, "no longer want gradients"),
        (r1_forgetting_requires_grad, "raised RuntimeError"),
        (lambda d, x: r1_reference(d, x).item(), "without .item()"),
        (lambda d, x: slopes(d, x).square().sum(1) / 2, "shape (3,)"),
        (lambda d, x: r1_reference(d, x) * 1.3, "it should be"),
    ],
    "smoothed_discriminator_loss": [
        (lambda r, f, a: F.softplus(-r).mean() + F.softplus(f).mean(), "nothing is smoothed"),
        (smoothed_both_sides, "smoothed too"),
        (smoothed_fakes_only, "the other way round"),
        (smoothed_scaled, "only scaled down"),
        (lambda r, f, a: smoothed_reference(r, f, 1 - a), "are swapped"),
        (lambda r, f, a: smoothed_reference(r, -f, a), "labelled as real"),
        (smoothed_probabilities, "a sigmoid comes before"),
        (lambda r, f, a: len(r) * smoothed_reference(r, f, a), "summed"),
        (lambda r, f, a: smoothed_reference(r, f, a) / 2, "half of ours"),
        (lambda r, f, a: (F.softplus(r) - a * r).mean(), "only the real half"),
        (lambda r, f, a: -smoothed_reference(r, f, a), "sign is turned"),
        (lambda r, f, a: smoothed_reference(r, f, 0.9), "always 0.9"),
        (smoothed_overflowing, "overflows"),
        (smoothed_clamped, "held back"),
        (smoothed_with_fakes_detached, "in the fake logits"),
        (lambda r, f, a: F.softplus(-a * r).mean() + F.softplus(f).mean(), "it should be"),
        (smoothed_without_gradient, "no gradient reaches the logits"),
        (lambda r, f, a: F.softplus(r) - a * r + F.softplus(f), "shape (4,)"),
        (lambda r, f, a: 1.3 * smoothed_reference(r, f, a), "it should be"),
        (lambda real_logits, fake_logits: 0, "your function takes (real_logits, fake_logits)"),
    ],
}  # fmt: skip
