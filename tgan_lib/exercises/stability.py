"""Checks of the chapter "Stability": a weight divided by its largest stretch, R1, the smoothed discriminator loss.

A mistake is recognised by computing what that mistake would give. Weights are built from singular values that are
known, and D is linear or the square of a linear function, so that its gradient has a closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce_with_logits
from torch.nn.functional import softplus

from .core import NOTHING, Check, Wrong, call, call_drawing, close, scalar, wrong_if
from .linear import LinearDiscriminator, all_parameters

Answer = Callable[..., Any]

# --- spectrally_normalised ---

LOOSE = 5e-3  # a power iteration of a few rounds is right too
SEED = 167  # of the weights: with it, all mistakes give weights that differ by far more than LOOSE
SINGULAR_VALUES = [4.0, 2.5, 1.5]


def weight_with(singular_values: list[float], *shape: int, seed: int = SEED) -> Tensor:
    """A weight of this shape, (outputs, ...), whose matrix with one row for each output has these singular values."""
    rows, columns = shape[0], torch.Size(shape[1:]).numel()
    rng = torch.Generator().manual_seed(seed)
    u, v = (torch.linalg.qr(torch.randn(n, len(singular_values), generator=rng))[0] for n in (rows, columns))
    return (u @ torch.diag(torch.tensor(singular_values)) @ v.T).reshape(shape)


def norm_mistakes(weight: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of a convolution's weight (outputs, inputs, k, k), and how to call them."""
    matrix = weight.flatten(1)
    sigma = torch.linalg.matrix_norm(matrix, 2)
    by_input = torch.linalg.matrix_norm(weight.transpose(0, 1).flatten(1), 2)
    rows = matrix.norm(dim=1).reshape(-1, *[1] * (weight.ndim - 1))
    return [
        (
            weight / weight.norm(),
            "you divide by the Frobenius norm, the root of the sum of *all* squared singular values; only the "
            "largest of them is the largest stretch.",
        ),
        (
            weight / rows,
            "each output's row is divided by its own length, which is weight normalisation: two rows of length 1 "
            "that point the same way still stretch by 1.41.",
        ),
        (
            weight / sigma.square(),
            "you divide by the square of the largest singular value: the eigenvalues of W W^T are squares, so "
            "take the root.",
        ),
        (weight * sigma, "the weight is multiplied by its largest singular value; divide by it."),
        (
            weight / torch.linalg.svdvals(matrix).sum(),
            "you divide by the sum of the singular values; the largest alone is how far W can stretch.",
        ),
        (
            weight / torch.linalg.svdvals(matrix)[-1],
            "you divide by the smallest singular value: svdvals gives the largest first.",
        ),
        (
            weight / weight.abs().max(),
            "you divide by the largest entry, but entries can add up to a stretch larger than any of them.",
        ),
        (
            weight / by_input,
            "the matrix has one row for each *input* channel; a layer's output is a product with one row for "
            "each output: weight.flatten(1).",
        ),
        (
            weight / torch.linalg.matrix_norm(weight.flatten(0, -2), 2),
            "the matrix keeps only the last axis as its columns; keep the first as its rows: weight.flatten(1).",
        ),
        (
            weight / torch.linalg.matrix_norm(weight, 2)[..., None, None],
            "every small k by k kernel is divided by a norm of its own: matrix_norm takes the last two axes, so "
            "flatten the weight to (outputs, the rest) first.",
        ),
        (weight, "the weight is as it was: divide it by its largest singular value."),
    ]


def check_spectrally_normalised(answer: Answer) -> str:
    """`spectrally_normalised(weight)`: weight / sigma, sigma the largest singular value of weight.flatten(1)."""
    weight = weight_with(SINGULAR_VALUES, 3, 2, 2, 2)
    given = weight.clone()
    got = _weight_like(call_drawing(answer, weight=given), weight)
    wrong_if(
        not close(given, weight),
        "the weight that was given has been changed in place: the layer still needs it, to go on learning; return "
        "a new tensor.",
    )
    for value, message in norm_mistakes(weight):
        wrong_if(close(got, value, LOOSE), message)
    largest = torch.linalg.matrix_norm(got.detach().flatten(1), 2)
    along = close(got * 4.0 / largest, weight, LOOSE)  # some multiple of the weight
    wrong_if(
        along and not close(largest, 1.0, LOOSE),
        f"a weight with largest singular value 4 comes back with {largest:.3f}, and 1 is right: if you iterate, "
        "do more rounds, and start from a random vector.",
    )
    wrong_if(not close(got, weight / 4.0, LOOSE), "what comes back is no multiple of the weight.")
    small = weight_with([0.5, 0.1], 5, 4)
    got = _weight_like(call_drawing(answer, weight=small.clone()), small)
    wrong_if(
        close(got, small, LOOSE),
        "right for a weight that stretches by 4, but one that stretches by 0.5 is left alone; spectral "
        "normalisation divides always, so that the largest stretch is 1 and not merely at most 1.",
    )
    wrong_if(not close(got, small / 0.5, LOOSE), "right for a convolution, but not for a linear layer's matrix.")
    _check_norm_gradient(answer)
    return "A convolution's weight, a linear layer's, one that shrinks, and the gradient: all right."


def _weight_like(value: Any, weight: Tensor) -> Tensor:
    wrong_if(value is None or value is ..., NOTHING)
    if not isinstance(value, Tensor) or value.numel() == 1:
        raise Wrong("your function returns one number, the stretch, say; return the weight divided by it.")
    wrong_if(
        value.shape != weight.shape,
        f"a weight of shape {tuple(weight.shape)} comes back as {tuple(value.shape)}; give it its shape again.",
    )
    return value


def _check_norm_gradient(answer: Answer) -> None:
    weight = weight_with(SINGULAR_VALUES, 3, 2, 2, 2).requires_grad_()
    # a generator of its own: the answer may have drawn numbers, and some directions hide a constant sigma
    towards = torch.randn(3, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    got = call_drawing(answer, weight=weight)
    wrong_if(
        not got.requires_grad,
        "the values are right, but no gradient reaches the weight, so the layer could not learn: do the "
        "division outside of torch.no_grad() and without .data or .detach().",
    )
    (found,) = torch.autograd.grad((got * towards).sum(), weight)
    sigma = torch.linalg.matrix_norm(weight.flatten(1), 2)
    (right,) = torch.autograd.grad((weight / sigma * towards).sum(), weight)
    wrong_if(
        close(found, towards / 4.0, LOOSE),
        "the values are right, but the gradient takes sigma for a constant. It is not: a larger weight has a "
        "larger sigma, and only with that in the gradient does the layer feel that its size is taken away.",
    )
    wrong_if(
        not close(found, right, 4 * LOOSE),
        "the values are right, but the gradient is not; if you iterate, do more rounds.",
    )


# --- r1_penalty ---


class SquareDiscriminator(nn.Module):
    """D(x) = (x . weight)^2 / 2, (N, 1, 2, 2) -> logits (N,): its gradient (x . weight) weight differs by image."""

    def __init__(self, weight: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, images: Tensor) -> Tensor:
        return (images.flatten(1) @ self.weight).square() / 2


def r1_of_squares(weight: Tensor, x: Tensor) -> Tensor:
    """R1 of a `SquareDiscriminator`, in closed form: half the mean of (x . w)^2 |w|^2."""
    return (x.flatten(1) @ weight).square().mean() * weight.square().sum() / 2


def r1_mistakes(d: SquareDiscriminator, x: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes give at images x (N, 1, 2, 2), and how to call them."""
    w = d.weight.detach()
    logits, projected = d(x).detach(), x.flatten(1) @ w
    g = projected[:, None] * w  # (N, 4)
    norms, right = g.norm(dim=1), g.square().sum(1).mean() / 2
    n, pixels = g.shape
    squashed = g * (logits.sigmoid() * (1 - logits.sigmoid()))[:, None]
    in_weights = (projected[:, None] * x.flatten(1)).mean(0)
    return [
        (2 * right, "it is twice R1: the half is missing."),
        (
            right / pixels,
            "the squares are averaged over the pixels too; the squared norm of an image's gradient is their sum.",
        ),
        (2 * right / pixels, "the squares are averaged over the pixels, and the half is missing."),
        (n * right, "the penalty is summed over the batch; take the mean over its images."),
        (2 * n * right, "the penalty is summed over the batch, and the half is missing."),
        (
            right / n**2,
            "you differentiated the *mean* of the logits, so that every image's gradient is divided by the size of "
            "the batch. Differentiate their sum.",
        ),
        (
            right / n,
            "it is too small by the size of the batch: the sum of the logits is what to differentiate, and the "
            "images' squared norms are then averaged once.",
        ),
        (norms.mean() / 2, "the norms are not squared."),
        (norms.mean(), "this is the mean norm: square each, and take half."),
        (norms.mean().square() / 2, "you square the mean of the norms; square each norm, then take the mean."),
        (
            g.mean(0).square().sum() / 2,
            "the gradients are averaged before they are squared, so that opposite slopes cancel; each image has a "
            "norm of its own.",
        ),
        ((norms - 1).square().mean(), "this pulls the norm to 1, as WGAN-GP does; R1 pulls it to 0."),
        ((norms - 1).square().mean() / 2, "this pulls the norm to 1, as WGAN-GP does, and halves it."),
        (
            squashed.square().sum(1).mean() / 2,
            "this is the slope of the probability; R1 takes the slope of the logit, which does not flatten where "
            "D is sure.",
        ),
        (
            in_weights.square().sum() / 2,
            "this is the gradient in D's weights; R1 asks how the logit changes with the *image*.",
        ),
        (-right, "the sign is turned: D minimises its loss, so a penalty is positive."),
    ]


def check_r1_penalty(answer: Answer) -> str:
    """`r1_penalty(discriminator, x)`: half the mean over images of the squared norm of D's gradient in x."""
    x = torch.tensor([[1.0, 0.5, -0.3, 0.8], [-0.2, 0.9, 0.4, -0.7], [0.6, -1.0, 0.1, 0.3]]).reshape(3, 1, 2, 2)
    square = SquareDiscriminator([1.0, -2.0, 0.5, 1.5])
    penalty = _penalty(answer, square, x)
    for value, message in r1_mistakes(square, x):
        wrong_if(close(penalty.detach(), value), message)
    right = r1_of_squares(square.weight, x)
    wrong_if(
        not close(penalty.detach(), right.detach()),
        f"for D(x) = (w x)^2 / 2 your penalty is {penalty:.4f}; it should be {right:.4f}.",
    )
    _check_r1_gradient(penalty, right, square)
    linear = LinearDiscriminator([0.3, -0.4, 1.2, 0.0], bias=2.0)
    penalty = _penalty(answer, linear, x)
    wrong_if(
        not close(penalty.detach(), 0.845),
        f"for a linear D the penalty is |w|^2 / 2 = 0.845, whatever the images; yours is {penalty:.4f}.",
    )
    return "Half of |w|^2 for a linear D, a D whose slope differs by image, and the gradient in D's weights: all right."


def _penalty(answer: Answer, d: nn.Module, x: Tensor) -> Tensor:
    before = all_parameters(d)
    penalty = scalar(call(answer, discriminator=d, x=x.clone()), "the penalty")
    wrong_if(
        any(p.grad is not None for p in d.parameters()) or not close(all_parameters(d), before),
        "your function calls backward, which leaves gradients in D's weights before the loop asks for any; use "
        "torch.autograd.grad.",
    )
    wrong_if(
        not all(p.requires_grad for p in d.parameters()),
        "after the call D's weights no longer want gradients, and D's own step needs them.",
    )
    return penalty


def _check_r1_gradient(penalty: Tensor, right: Tensor, d: SquareDiscriminator) -> None:
    found = None
    if penalty.requires_grad:
        (found,) = torch.autograd.grad(penalty, d.weight, allow_unused=True)
    wrong_if(
        found is None,
        "the value is right, but it is a plain number to D: no gradient leads back to its weights. Ask for "
        "create_graph=True, so that the gradient can itself be differentiated.",
    )
    (wanted,) = torch.autograd.grad(right, d.weight)
    wrong_if(not close(found, wanted), "the value is right, but its gradient in D's weights is not.")  # type: ignore[arg-type]


# --- smoothed_discriminator_loss ---


def smoothed(real: Tensor, fake: Tensor, label: float) -> Tensor:
    """The right answer: reals are labelled `label`, fakes 0."""
    return (label * softplus(-real) + (1 - label) * softplus(real)).mean() + softplus(fake).mean()


def smoothing_mistakes(real: Tensor, fake: Tensor, label: float) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of the logits (N,) of reals and of fakes, and how to call them."""
    right, rest = smoothed(real, fake, label), 1 - label
    plain_real, plain_fake = softplus(-real).mean(), softplus(fake).mean()
    soft_fake = (rest * softplus(-fake) + label * softplus(fake)).mean()
    soft_real = right - plain_fake
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    return [
        (plain_real + plain_fake, "nothing is smoothed: the label of the reals is still 1."),
        (
            soft_real + soft_fake,
            "the fakes' label is smoothed too. Smooth one side only: with a soft label for fakes the best D calls "
            "for images that look like today's fakes.",
        ),
        (plain_real + soft_fake, "the fakes' label is smoothed, and the reals' is not; it is the other way round."),
        (
            label * plain_real + plain_fake,
            "the real half is only scaled down. A label of 0.9 is 0.9 of the loss for 'real' *plus* 0.1 of the loss "
            "for 'generated', and that second part is what holds the logits back.",
        ),
        (
            (rest * softplus(-real) + label * softplus(real)).mean() + plain_fake,
            "the label and its rest are swapped: the reals are to be called real with a share of `label`.",
        ),
        (
            soft_real + softplus(-fake).mean(),
            "the fakes are labelled as real; their label is 0, which costs softplus(fake_logits).",
        ),
        (
            bce_with_logits(real.sigmoid(), label * ones) + bce_with_logits(fake.sigmoid(), zeros),
            "a sigmoid comes before a loss that applies its own: what you are given are logits.",
        ),
        (right * len(real), "the loss is summed over the batch; take the mean."),
        (right / 2, "this is half of ours: your loss averages the two halves, ours adds them."),
        (soft_real, "only the real half is there: add what D pays for the fakes."),
        (-right, "the sign is turned: this is what D wants large, and an optimiser makes its loss small."),
    ]


def check_smoothed_discriminator_loss(answer: Answer) -> str:
    """`smoothed_discriminator_loss(real_logits, fake_logits, label)`: the logistic loss, reals labelled `label`."""
    real, fake = torch.tensor([2.0, -0.5, 1.0, 3.0]), torch.tensor([-1.0, 0.5, -2.0, 0.3])
    for logits in (real, fake):
        logits.requires_grad_()
    loss = _smoothed(answer, real, fake, 0.8)
    for value, message in smoothing_mistakes(real.detach(), fake.detach(), 0.8):
        wrong_if(close(loss.detach(), value), message)
    wrong_if(
        close(loss.detach(), smoothed(real.detach(), fake.detach(), 0.9)),
        "the label is always 0.9; use the one that is given.",
    )
    right = smoothed(real, fake, 0.8)
    wrong_if(not close(loss.detach(), right.detach()), f"your loss is {loss:.4f}; it should be {right:.4f}.")
    wrong_if(
        not loss.requires_grad,
        "the value is right, but no gradient reaches the logits: something is detached or under no_grad.",
    )
    wanted = torch.autograd.grad(right, (real, fake))
    for whose, got, grad in zip(
        ("real", "fake"), torch.autograd.grad(loss, (real, fake), allow_unused=True), wanted, strict=True
    ):
        wrong_if(
            got is None or not close(got, grad), f"the value is right, but the gradient in the {whose} logits is not."
        )
    far = _smoothed(answer, torch.full((4,), -200.0), torch.full((4,), 200.0), 0.8).detach()
    wrong_if(
        not far.isfinite(),
        f"right for small logits, but logits of -200 and 200 make it {far:.0f}: the sigmoid rounds to 0 and its "
        "log overflows. Use softplus or binary_cross_entropy_with_logits.",
    )
    wrong_if(
        not close(far, 360.0),
        f"right for small logits, but for -200 and 200 it is {far:.1f} and should be 360: the log is held back by "
        "an epsilon or a clamp. Start from the logits.",
    )
    return "The real half, the untouched fake half, another label, and very large logits: all right."


def _smoothed(answer: Answer, real: Tensor, fake: Tensor, label: float) -> Tensor:
    return scalar(call(answer, real_logits=real, fake_logits=fake, label=label), "the loss")


CHECKS: dict[str, Check] = {
    "spectrally_normalised": check_spectrally_normalised,
    "r1_penalty": check_r1_penalty,
    "smoothed_discriminator_loss": check_smoothed_discriminator_loss,
}
