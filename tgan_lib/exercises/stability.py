"""Checks of the chapter "Stability": a round's growth, a weight divided by its largest stretch, R1, the smoothed
discriminator loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce_with_logits
from torch.nn.functional import softplus

from .core import Check
from .linear import LinearDiscriminator
from .value import Value, either, exercise

# --- spectrally_normalised ---

LOOSE = 5e-3  # a power iteration of a few rounds is right too
SEED = 167  # of the weights: with it, all mistakes give weights that differ by far more than LOOSE


def weight_with(singular_values: list[float], *shape: int) -> Tensor:
    """A weight of this shape, (outputs, ...), whose matrix with one row for each output has these singular values."""
    rows, columns = shape[0], torch.Size(shape[1:]).numel()
    rng = torch.Generator().manual_seed(SEED)
    u, v = (torch.linalg.qr(torch.randn(n, len(singular_values), generator=rng))[0] for n in (rows, columns))
    return (u @ torch.diag(torch.tensor(singular_values)) @ v.T).reshape(shape)


def spectrally_normalised(weight: Tensor) -> Tensor:
    return weight / torch.linalg.matrix_norm(weight.flatten(1), 2)


def norm_mistakes(weight: Tensor) -> dict[str, Any]:
    """What the known mistakes make of a convolution's weight (outputs, inputs, k, k)."""
    matrix, matrix_norm = weight.flatten(1), torch.linalg.matrix_norm
    values = torch.linalg.svdvals(matrix)
    rows = matrix.norm(dim=1).reshape(-1, *[1] * (weight.ndim - 1))
    return {
        "you divide by the Frobenius norm, the root of the sum of *all* squared singular values; only the largest of "
        "them is the largest stretch.": weight / weight.norm(),
        "each output's row is divided by its own length, which is weight normalisation: two rows of length 1 that "
        "point the same way still stretch by 1.41.": weight / rows,
        "you divide by the square of the largest singular value: the eigenvalues of W W^T are squares, so take the "
        "root.": weight / values[0].square(),
        "the weight is multiplied by its largest singular value; divide by it.": weight * values[0],
        "you divide by the sum of the singular values; the largest alone is how far W can stretch.":
        weight / values.sum(),
        "you divide by the smallest singular value: svdvals gives the largest first.": weight / values[-1],
        "you divide by the largest entry, but entries can add up to a stretch larger than any of them.":
        weight / weight.abs().max(),
        "you divide by the largest sum of a row's or a column's absolute values (the norms with ord=1 and ord=inf), "
        "which is no less than the largest stretch and mostly more: ord=2 is the largest singular value.":
        either(weight / matrix_norm(matrix, 1), weight / matrix_norm(matrix, torch.inf)),
        "the matrix has one row for each *input* channel; a layer's output is a product with one row for each output: "
        "weight.flatten(1).": weight / matrix_norm(weight.transpose(0, 1).flatten(1), 2),
        "the matrix keeps only the last axis as its columns; keep the first as its rows: weight.flatten(1).":
        weight / matrix_norm(weight.flatten(0, -2), 2),
        "every small k by k kernel is divided by a norm of its own: matrix_norm takes the last two axes, so flatten "
        "the weight to (outputs, the rest) first.": weight / matrix_norm(weight, 2)[..., None, None],
        "the weight is as it was: divide it by its largest singular value.": weight.clone(),
        "the values are right, but the gradient takes sigma for a constant. It is not: a larger weight has a larger "
        "sigma, and only with that in the gradient does the layer feel that its size is taken away.":
        weight / values[0].detach(),
    }  # fmt: skip


def is_multiple(got: Tensor, weight: Tensor) -> bool:
    """Some other multiple of the weight than is wanted."""
    return torch.allclose(got / got.norm(), (weight / weight.norm()).double(), LOOSE, LOOSE)


NORMALISED = Value(
    right=spectrally_normalised,
    given=[(weight_with([4.0, 2.5, 1.5], 3, 2, 2, 2),)],
    mistakes=norm_mistakes,
    signs={
        "what comes back is a multiple of the weight, but its largest singular value is not 1: if you iterate, do more "
        "rounds, and start from a random vector.": is_multiple
    },
    what="the normalised weight",
    hint="return the weight divided by its largest stretch, in its own shape",
    wrong="what comes back is no multiple of the weight: at {place} it is {got:.4f} and should be {right:.4f}.",
    learns=["weight"],
    cut="the values are right, but no gradient reaches the weight, so the layer could not learn: do the division "
    "outside of torch.no_grad() and without .data or .detach().",
    slope="the values are right, but the gradient is not; if you iterate, do more rounds.",
    draws=True,
    tolerance=LOOSE,
)
SHRINKING = NORMALISED.at(
    [(weight_with([0.5, 0.1], 5, 4),)],
    but="right for a weight that stretches by 4, but ",
    mistakes={
        "one that stretches by 0.5 is left alone; spectral normalisation divides always, so that the largest stretch "
        "is 1 and not merely at most 1.": lambda w: w / torch.linalg.matrix_norm(w.flatten(1), 2).clamp(min=1)
    },
    wrong="not for a linear layer's matrix: at {place} it is {got:.4f} and should be {right:.4f}.",
)

# --- r1_penalty ---


class SquareDiscriminator(nn.Module):
    """D(x) = (x . weight)^2 / 2, (N, 1, 2, 2) -> logits (N,): its gradient (x . weight) weight differs by image."""

    def __init__(self, weight: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, images: Tensor) -> Tensor:
        return (images.flatten(1) @ self.weight).square() / 2


def slopes(output: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(output.sum(), x, create_graph=True)[0].flatten(min(1, x.ndim - 1))


def r1_penalty(discriminator: nn.Module, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return slopes(discriminator(x), x).square().sum(1).mean() / 2


def r1_mistakes(d: SquareDiscriminator, x: Tensor) -> dict[str, Tensor]:
    """What the known mistakes give at images x (N, 1, 2, 2)."""
    x = x.clone().requires_grad_()
    g, squashed, in_weights = slopes(d(x), x), slopes(d(x).sigmoid(), x), slopes(d(x) / len(x), d.weight)
    norms, (n, pixels) = g.norm(dim=1), g.shape
    right = g.square().sum(1).mean() / 2
    return {
        "it is twice R1: the half is missing.": 2 * right,
        "the squares are averaged over the pixels too; the squared norm of an image's gradient is their sum.":
        right / pixels,
        "the squares are averaged over the pixels, and the half is missing.": 2 * right / pixels,
        "the penalty is summed over the batch; take the mean over its images.": n * right,
        "the penalty is summed over the batch, and the half is missing.": 2 * n * right,
        "you differentiated the *mean* of the logits, so that every image's gradient is divided by the size of the "
        "batch. Differentiate their sum.": right / n**2,
        "it is too small by the size of the batch: the sum of the logits is what to differentiate, and the images' "
        "squared norms are then averaged once.": right / n,
        "the norms are not squared.": norms.mean() / 2,
        "this is the mean norm: square each, and take half.": norms.mean(),
        "you square the mean of the norms; square each norm, then take the mean.": norms.mean().square() / 2,
        "the gradients are averaged before they are squared, so that opposite slopes cancel; each image has a norm of "
        "its own.": g.mean(0).square().sum() / 2,
        "this pulls the norm to 1, as WGAN-GP does; R1 pulls it to 0.": (norms - 1).square().mean(),
        "this pulls the norm to 1, as WGAN-GP does, and halves it.": (norms - 1).square().mean() / 2,
        "this is the slope of the probability; R1 takes the slope of the logit, which does not flatten where D is "
        "sure.": squashed.square().sum(1).mean() / 2,
        "this is the gradient in D's weights; R1 asks how the logit changes with the *image*.":
        in_weights.square().sum() / 2,
        "the sign is turned: D minimises its loss, so a penalty is positive.": -right,
    }  # fmt: skip


IMAGES = torch.tensor([[1.0, 0.5, -0.3, 0.8], [-0.2, 0.9, 0.4, -0.7], [0.6, -1.0, 0.1, 0.3]]).reshape(3, 1, 2, 2)
R1 = Value(
    right=r1_penalty,
    given=[(SquareDiscriminator([1.0, -2.0, 0.5, 1.5]), IMAGES)],
    mistakes=r1_mistakes,
    what="the penalty",
    hint="take the mean over the images",
    wrong="for D(x) = (w x)^2 / 2 your penalty is {got:.4f}; it should be {right:.4f}.",
    learns=["discriminator"],
    marks=["x"],
    cut="the value is right, but it is a plain number to D: no gradient leads back to its weights. Ask for "
    "create_graph=True, so that the gradient can itself be differentiated.",
    slope="the value is right, but its gradient in D's weights is not.",
)
LINEAR_R1 = R1.at(
    [(LinearDiscriminator([0.3, -0.4, 1.2, 0.0], bias=2.0), IMAGES)],
    wrong="for a linear D the penalty is |w|^2 / 2 = {right:.3f}, whatever the images; yours is {got:.4f}.",
)

# --- smoothed_discriminator_loss ---


def smoothed(real_logits: Tensor, fake_logits: Tensor, label: float) -> Tensor:
    real = label * softplus(-real_logits) + (1 - label) * softplus(real_logits)
    return real.mean() + softplus(fake_logits).mean()


def smoothing_mistakes(real: Tensor, fake: Tensor, label: float) -> dict[str, Tensor]:
    """What the known mistakes make of the logits (N,) of reals and of fakes."""
    right, plain_real, plain_fake = smoothed(real, fake, label), softplus(-real).mean(), softplus(fake).mean()
    soft_real, soft_fake = right - plain_fake, smoothed(fake, fake, 1 - label) - plain_fake
    probabilities, labels = real.sigmoid(), torch.full_like(real, label)
    return {
        "nothing is smoothed: the label of the reals is still 1.": plain_real + plain_fake,
        "the fakes' label is smoothed too. Smooth one side only: with a soft label for fakes the best D calls for "
        "images that look like today's fakes.": soft_real + soft_fake,
        "the fakes' label is smoothed, and the reals' is not; it is the other way round.": plain_real + soft_fake,
        "the real half is only scaled down. A label of 0.9 is 0.9 of the loss for 'real' *plus* 0.1 of the loss for "
        "'generated', and that second part is what holds the logits back.": label * plain_real + plain_fake,
        "the label and its rest are swapped: the reals are to be called real with a share of `label`.":
        smoothed(real, fake, 1 - label),
        "the fakes are labelled as real; their label is 0, which costs softplus(fake_logits).":
        smoothed(real, -fake, label),
        "a sigmoid comes before a loss that applies its own: what you are given are logits.":
        bce_with_logits(probabilities, labels) + softplus(fake.sigmoid()).mean(),
        "the loss is summed over the batch; take the mean.": right * len(real),
        "this is half of ours: your loss averages the two halves, ours adds them.": right / 2,
        "only the real half is there: add what D pays for the fakes.": soft_real,
        "the sign is turned: this is what D wants large, and an optimiser makes its loss small.": -right,
        "the label is always 0.9; use the one that is given.": smoothed(real, fake, 0.9),
    }  # fmt: skip


SMOOTHED = Value(
    right=smoothed,
    given=[(torch.tensor([2.0, -0.5, 1.0, 3.0]), torch.tensor([-1.0, 0.5, -2.0, 0.3]), 0.8)],
    mistakes=smoothing_mistakes,
    what="the loss",
    hint="take the mean over the batch",
    wrong="your loss is {got:.4f}; it should be {right:.4f}.",
    learns=["real_logits", "fake_logits"],
    cut="the value is right, but no gradient reaches `{name}`: something is detached or under no_grad.",
    slope="the value is right, but the gradient in `{name}` is not.",
)
FAR_SMOOTHED = SMOOTHED.at(
    [(torch.full((4,), -200.0), torch.full((4,), 200.0), 0.8)],
    but="right for small logits, but logits of -200 and 200 make it ",
    overflow="{got:.0f}: the sigmoid rounds to 0 and its log overflows. Use softplus or "
    "binary_cross_entropy_with_logits.",
    wrong="{got:.1f}, and {right:.0f} is right: the log is held back by an epsilon or a clamp. Start from the logits.",
)

# --- growth ---

SETTINGS = (0.5, 1.2, 0.6, 0.5)  # G's rate, D's, the weight of the penalty, the momentum


def round_of(
    g_rate: float,
    d_rate: float,
    gamma: float,
    beta: float,
    *,
    slope: float = 0.5,
    at_once: bool = False,
    betas: tuple[float, float] | None = None,
    whole: bool = False,
    penalised: str = "D",
    sign: float = 1.0,
) -> Tensor:
    """The matrix of a round of the game close to its middle: (theta, psi, both momenta) -> the same, a round later."""

    g_beta, d_beta = betas or (beta, beta)
    g_share, d_share = (1.0, 1.0) if whole else (1 - g_beta, 1 - d_beta)

    def turn(theta: Tensor, psi: Tensor, v_theta: Tensor, v_psi: Tensor) -> Tensor:
        v_psi = d_beta * v_psi + d_share * (slope * theta + gamma * (penalised == "D") * psi)
        moved = psi - d_rate * v_psi
        seen = psi if at_once else moved
        v_theta = g_beta * v_theta + g_share * (gamma * (penalised == "G") * theta - sign * slope * seen)
        return torch.stack([theta - g_rate * v_theta, moved, v_theta, v_psi])

    return torch.stack([turn(*unit) for unit in torch.eye(4, dtype=torch.float64)], 1)


def largest(matrix: Tensor) -> Tensor:
    return torch.linalg.eigvals(matrix).abs().max()


def growth(g_rate: float, d_rate: float, gamma: float, beta: float) -> Tensor:
    return largest(round_of(g_rate, d_rate, gamma, beta))


def growth_mistakes(*given: float) -> dict[str, Any]:
    """What the known mistakes give for G's rate, D's, the penalty's weight, and the momentum."""
    g_rate, d_rate, gamma, beta = given
    right = round_of(*given)
    values = torch.linalg.eigvals(right)
    return {
        "both players step at once: G's slope has the psi from before D's step. D steps first here, and G sees it.":
        largest(round_of(*given, at_once=True)),
        "the slopes are taken as theta and -psi: in the middle the sigmoid is a half, so they are half of that.":
        largest(round_of(*given, slope=1.0)),
        "this is the largest real part; what a round multiplies the distance by is the absolute value, "
        "with the imaginary part in it.": either(values.real.max(), values.real.abs().max()),
        "this is the largest imaginary part: it says how fast the pair turns.": values.imag.max(),
        "this is the largest *singular* value, which says how far one round can stretch; over many rounds, the "
        "eigenvalues count.": torch.linalg.matrix_norm(right, 2),
        "this is the smallest of the absolute values; the largest wins in the end.": values.abs().min(),
        "the absolute values are averaged; the largest wins in the end.": values.abs().mean(),
        "this is the determinant's size, the product of all eigenvalues.": torch.linalg.det(right).abs(),
        "this is the trace, the sum of all eigenvalues.": torch.trace(right),
        "the momentum is missing: a velocity keeps beta of what it was.": largest(round_of(g_rate, d_rate, gamma, 0)),
        "only one player has momentum; both keep beta of their velocity.":
        either(largest(round_of(*given, betas=(beta, 0))), largest(round_of(*given, betas=(0, beta)))),
        "the velocity takes all of each slope, as a heavy ball's does; here, and in Adam, it takes 1 - beta of it.":
        largest(round_of(*given, whole=True)),
        "the penalty is missing: D's slope has gamma psi as well.": largest(round_of(g_rate, d_rate, 0, beta)),
        "the penalty is gamma / 2 psi^2, and its slope is gamma psi, not half of it or twice.":
        either(largest(round_of(g_rate, d_rate, gamma / 2, beta)), largest(round_of(g_rate, d_rate, 2 * gamma, beta))),
        "the penalty has the wrong sign: D's slope *adds* gamma psi, and a step goes against the slope.":
        largest(round_of(g_rate, d_rate, -gamma, beta)),
        "the penalty is in G's slope, or the two rates are swapped: D's weight is penalised, and h_G comes first.":
        largest(round_of(*given, penalised="G")),  # swapped rates come to the same
        "G runs the wrong way: with d theta = - psi / 2 as its slope, a step adds to theta.":
        largest(round_of(*given, sign=-1.0)),
        "the two rates are averaged or one is used for both; each player has its own.":
        either(
            largest(round_of(g_rate, g_rate, gamma, beta)),
            largest(round_of(d_rate, d_rate, gamma, beta)),
            largest(round_of((g_rate + d_rate) / 2, (g_rate + d_rate) / 2, gamma, beta)),
        ),
        "1 is taken away: return what a round multiplies the distance by.": largest(right) - 1,
        "this is its logarithm: return what a round multiplies the distance by.": largest(right).log(),
        "this is the square of it.": largest(right).square(),
    }  # fmt: skip


GROWTH = Value(
    right=growth,
    given=[SETTINGS],
    mistakes=growth_mistakes,
    what="the growth",
    hint="return one number",
    wrong="for G's rate {g_rate:g}, D's {d_rate:g}, gamma {gamma:g} and beta {beta:g} yours is {got:.4f}; it should be "
    "{right:.4f}.",
)
TURNING = GROWTH.at(
    [(0.2, 0.2, 0.0, 0.0)],
    but="right with momentum and a penalty, but ",
    wrong="with neither of them, the pair keeps its distance, {right:.4f}, and yours is {got:.4f}.",
)
THROWN = GROWTH.at(
    [(0.2, 0.2, 0.0, 0.9), (0.1, 0.4, 3.0, 0.9), (0.2, 0.2, 0.1, -0.3)],
    but="right with some momentum, but ",
    wrong="for G's rate {g_rate:g}, D's {d_rate:g}, gamma {gamma:g} and beta {beta:g} yours is {got:.4f}; it should be "
    "{right:.4f}.",
)

CHECKS: dict[str, Check] = {
    "growth": exercise(
        GROWTH,
        TURNING,
        THROWN,
        passed="With momentum and without, with a penalty and without, and with two rates: all right.",
    ),
    "spectrally_normalised": exercise(
        NORMALISED,
        SHRINKING,
        passed="A convolution's weight, a linear layer's, one that shrinks, and the gradient: all right.",
    ),
    "r1_penalty": exercise(
        R1,
        LINEAR_R1,
        passed="Half of |w|^2 for a linear D, a D whose slope differs by image, and the gradient in D's weights: all "
        "right.",
    ),
    "smoothed_discriminator_loss": exercise(
        SMOOTHED,
        FAR_SMOOTHED,
        passed="The real half, the untouched fake half, another label, and very large logits: all right.",
    ),
}
