"""Signs that a GAN has learnt its training images by heart: in what it makes, and in how D judges.

Copying shows as samples that lie closer to the training images than new real images do. With d(a) the distance
of a to its nearest training image, for samples y_j (m of them) and held-out real images v_i (n):

    U = #{(i, j): d(y_j) > d(v_i)} + half the ties,     z = (U - mn/2) / sqrt(mn (m + n + 1) / 12)

which is the Mann-Whitney statistic of Meehan, Chaudhuri and Dasgupta (2020), "A Non-Parametric Test to Detect
Data-Copying in Generative Models": z far below 0 says copying, far above 0 underfitting. Their C_T averages z
over the cells of a partition of the space; ours is the one-cell case.

A discriminator that knows its training images scores them above new ones. U / mn of its logits is the area under
the ROC curve of the attack of Hayes, Melis, Danezis and De Cristofaro (2019), "LOGAN: Membership Inference Attacks
Against Generative Models". Karras et al. (2020), "Training Generative Adversarial Networks with Limited Data",
equation 1, place the held-out images on the way from the training images to the generated ones.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..data.images import Images, tensor_of
from ..device import evaluating
from ..errors import check_kind, real_number, whole_number
from ..gan import GAN
from ..inputs import as_floats, feature_pair, score_vector
from .precision_recall import squared_distances


class Memorisation(NamedTuple):
    """What `memorisation` measures.

    ratio: the samples' median distance to the training set, divided by that of held-out images; 1 when samples
        are as new as new images, near 0 when they are copies. NaN where both medians are 0.
    share: of the samples closer to the training set than all but a share `quantile` of held-out images; about
        `quantile` when nothing is copied, 1 when everything is.
    z: the Mann-Whitney score of this file's head, in standard deviations; below -3 is hardly chance.
    """

    ratio: float
    share: float
    z: float


class Overfitting(NamedTuple):
    """`r_v`: 0 for no overfitting, 1 for complete. `r_t`: the mean sign of D's logits on training images."""

    r_v: float
    r_t: float


def nearest(samples: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample's nearest neighbour in `train`: Euclidean distances (n,) in float64 and indices (n,).

    samples (n, d) and train (m, d) are features, or images flattened. Of neighbours equally near, any one. An
    exact copy is at distance 0. Memory grows with n + m.
    """
    samples, train = feature_pair(samples, train)
    centre = train.mean(0)  # distances from products lose the fewest digits about the mean
    samples, train = samples - centre, train - centre
    indices = torch.cat([part.argmin(1) for part in squared_distances(samples, train)])
    return (samples - train[indices]).norm(dim=1), indices


def mann_whitney(a: Tensor, b: Tensor) -> tuple[float, float]:
    """U, the number of pairs in which `a` (n,) exceeds `b` (m,), ties counting half; and its score z.

    z is (U - nm/2) / sqrt(nm (n + m + 1) / 12), without a correction for ties: with many, |z| is too small.
    """
    from scipy.stats import mannwhitneyu  # importing it takes a second

    a, b = score_vector(a, "the first scores"), score_vector(b, "the second scores")
    u, n, m = float(mannwhitneyu(a.numpy(), b.numpy(), method="asymptotic").statistic), len(a), len(b)
    return u, (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def memorisation(samples: Tensor, train: Tensor, heldout: Tensor, quantile: float = 0.05) -> Memorisation:
    """Do samples (m, d) lie closer to the training set (t, d) than held-out real data (n, d) do?

    All three are features of one network, or flattened images. The held-out images must be new but of the same
    distribution; duplicates between them and the training set hide copying.
    """
    quantile = real_number("quantile", quantile, above=0, below=1)
    ours, new = nearest(samples, train)[0], nearest(heldout, train)[0]
    limit = new.sort().values[math.ceil(quantile * len(new)) - 1]  # the smallest with `quantile` at or below
    below, above = float(ours.quantile(0.5)), float(new.quantile(0.5))
    ratio = below / above if above else (math.inf if below else math.nan)
    return Memorisation(ratio, float((ours < limit).double().mean()), mann_whitney(ours, new)[1])


def membership_auc(train_scores: Tensor, heldout_scores: Tensor) -> float:
    """How well D's scores tell training images (n,) from held-out ones (m,): the area under the ROC curve.

    The probability that a training image scores above a held-out one, ties counting half: 0.5 when D knows
    nothing of membership, 1 when it tells all (Hayes et al. 2019). Only the order of the scores matters.
    """
    return mann_whitney(train_scores, heldout_scores)[0] / (len(train_scores) * len(heldout_scores))


def discriminator_overfitting(
    train_logits: Tensor, validation_logits: Tensor, fake_logits: Tensor
) -> Overfitting:
    """The two heuristics of Karras et al. (2020), equation 1, from D's logits on three sets of images.

    r_v = (E D_train - E D_validation) / (E D_train - E D_generated): 0 when held-out images are judged as training
    images are, 1 when they are judged as generated ones; NaN when D tells training from generated in no way.
    r_t = E sign(D_train) needs no held-out images: 0 for no overfitting, 1 for complete.
    """
    train = score_vector(train_logits, "the training logits")
    validation, fake = (
        score_vector(validation_logits, "the validation logits"),
        score_vector(fake_logits, "the fake logits"),
    )
    means = [float(part.mean()) for part in (train, validation, fake)]
    r_v = (means[0] - means[1]) / (means[0] - means[2]) if means[0] != means[2] else math.nan
    return Overfitting(r_v, float(train.sign().mean()))


@torch.no_grad()
def judge(gan: GAN, images: Images | Tensor, batch_size: int = 500) -> Tensor:
    """D's logits (n,) for `images`: `Images`, or a tensor (n, C, H, W), uint8 or floats in [-1, 1].

    D runs in eval mode, so that a logit does not depend on its batch, and is left in the mode it was in.
    """
    check_kind("gan", gan, GAN, "a GAN")
    data = tensor_of(images, floats="loose")
    right = (gan.config.channels, gan.config.size, gan.config.size)
    if tuple(data.shape[1:]) != right:
        raise ValueError(
            f"images have shape {tuple(data.shape)}; D takes (n, {right[0]}, {right[1]}, {right[2]})"
        )
    with evaluating(gan.discriminator):
        parts = data.split(whole_number("batch_size", batch_size))
        logits = [gan.discriminator(as_floats(part.to(gan.device))) for part in parts]
    return torch.cat(logits).float()
