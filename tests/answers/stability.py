"""Answers to the exercises of "Stability", right and wrong."""

from __future__ import annotations

import numpy as np
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


def smoothed_of(log):
    def smoothed_discriminator_loss(real_logits, fake_logits, label):
        real, fake = real_logits.sigmoid(), fake_logits.sigmoid()
        return -(label * log(real) + (1 - label) * log(1 - real)).mean() - log(1 - fake).mean()

    return smoothed_discriminator_loss


# --- growth ---


def growth_reference(g_rate, d_rate, gamma, beta):
    def play_round(theta, psi, v_theta, v_psi):
        v_psi = beta * v_psi + (1 - beta) * (theta / 2 + gamma * psi)
        psi = psi - d_rate * v_psi
        v_theta = beta * v_theta - (1 - beta) * psi / 2
        return theta - g_rate * v_theta, psi, v_theta, v_psi

    matrix = np.array([play_round(*unit) for unit in np.eye(4)]).T
    return np.abs(np.linalg.eigvals(matrix)).max()


def growth_by_products(g_rate, d_rate, gamma, beta):
    """D's half of a round times G's; G goes first, which has the same eigenvalues."""
    d_half, g_half = torch.eye(4), torch.eye(4)
    d_half[3] = torch.tensor([(1 - beta) / 2, (1 - beta) * gamma, 0, beta])
    d_half[1] -= d_rate * d_half[3]
    g_half[2] = torch.tensor([0, (beta - 1) / 2, beta, 0])
    g_half[0] -= g_rate * g_half[2]
    return torch.linalg.eigvals(d_half @ g_half).abs().max()


def growth_by_rows(g_rate, d_rate, gamma, beta):
    """Transposed, as a plain float: rows that are images of units have the same eigenvalues."""
    rows = []
    for unit in np.eye(4):
        theta, psi, v_theta, v_psi = unit
        v_psi = beta * v_psi + (1 - beta) * (0.5 * theta + gamma * psi)
        psi -= d_rate * v_psi
        v_theta = beta * v_theta - (1 - beta) * 0.5 * psi
        rows.append([theta - g_rate * v_theta, psi, v_theta, v_psi])
    return float(max(abs(np.linalg.eigvals(rows))))


RIGHT: dict[str, list[Answer]] = {
    "growth": [growth_reference, growth_by_products, growth_by_rows],
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
    "growth": [
        (lambda *given: 1.01 * growth_reference(*given), "it should be 0."),
        (lambda *given: growth_reference(*given) if given[3] else 0.995, "keeps its distance, 1.0000"),
        (lambda g, d, gamma, beta: growth_reference(g, d, gamma, max(beta, 0)), "beta -0.3 yours is"),
        (lambda g, d, gamma, beta: growth_reference(g, d, min(gamma, 1), beta), "gamma 3 and beta 0.9 yours is"),
        (lambda *given: np.array([growth_reference(*given)] * 2), "shape (2,)"),
    ],
    "spectrally_normalised": [
        (lambda w: torch.linalg.matrix_norm(w.flatten(1), 2), "shape (); the normalised weight is"),
        (lambda w: norm_reference(w).flatten(1), "shape (3, 8)"),
        (iterate(1), "start from a random vector"),
        (torch.sign, "no multiple"),
        (torch.no_grad()(norm_reference), "no gradient reaches the weight"),
        (lambda w: (norm_reference(w) + norm_reference(w.detach())) / 2, "the gradient is not"),
    ],
    "r1_penalty": [
        (r1_without_graph, "create_graph=True"),
        (lambda d, x: r1_reference(d.requires_grad_(False), x), "no longer wants gradients"),
        (lambda d, x: (r1_reference(d, x) + r1_reference(d, x).detach()) / 2, "its gradient in D's weights is not"),
        (lambda d, x: r1_reference(d, x) + hasattr(d, "bias"), "|w|^2 / 2 = 0.845"),
        (lambda d, x: slopes(d, x).square().sum(1) / 2, "shape (3,)"),
        (lambda d, x: r1_reference(d, x) * 1.3, "it should be"),
    ],
    "smoothed_discriminator_loss": [
        (smoothed_of(lambda p: p.log()), "overflows"),
        (smoothed_of(lambda p: p.log().clamp(min=-100)), "held back"),
        (lambda r, f, a: smoothed_reference(r, f.detach(), a), "no gradient reaches `fake_logits`"),
        (lambda r, f, a: F.softplus(-a * r).mean() + F.softplus(f).mean(), "it should be"),
        (lambda r, f, a: smoothed_reference((r + r.detach()) / 2, f, a), "the gradient in `real_logits` is not"),
        (lambda r, f, a: F.softplus(r) - a * r + F.softplus(f), "shape (4,)"),
        (lambda r, f, a: 1.3 * smoothed_reference(r, f, a), "it should be"),
    ],
}  # fmt: skip
