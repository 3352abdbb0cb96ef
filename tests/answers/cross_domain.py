"""Answers to the exercises of "Across domains", right and wrong."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.stats import rankdata, spearmanr
from torch.nn.functional import interpolate
from torchvision.transforms.functional import center_crop

from . import Answer

# --- middle_square ---


def square_reference(image):
    _, height, width = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[:, top : top + side, left : left + side]


def square_by_torchvision(image):
    return center_crop(image, [min(image.shape[1:])] * 2)


def square_by_cutting_both_ends(image):
    extra = image.shape[1] - image.shape[2]
    if extra > 0:
        return image[:, extra // 2 : image.shape[1] - (extra - extra // 2)]
    return image[:, :, -extra // 2 : image.shape[2] - (-extra - (-extra // 2))]


def square_narrow(x):
    side = min(x.shape[-2:])
    x = x.narrow(1, (x.shape[1] - side + 1) // 2, side)
    return x.narrow(2, (x.shape[2] - side + 1) // 2, side)


def square_half_a_side_around_the_centre(image):
    _, height, width = image.shape
    side = min(height, width)
    top, left = height // 2 - side // 2, width // 2 - side // 2
    return image[..., top : top + side, left : left + side]


def square_squashed(image):
    return interpolate(image[None], [min(image.shape[1:])] * 2, mode="bilinear")[0]


def square_with_a_batch_axis(image):
    return square_reference(image)[None]


def square_of_the_longer_side(image):
    return center_crop(image, [max(image.shape[1:])] * 2)


def square_of_first_axes(image):
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def square_offsets_swapped(image):
    _, height, width = image.shape
    side = min(height, width)
    shift = max(height, width) - side
    if height < width:
        return image[:, :side, shift // 4 : shift // 4 + side]
    return image[:, shift // 4 : shift // 4 + side, :side]


def square_flipped(image):
    return square_reference(image).flip(2)


def square_one_too_small(image):
    return square_reference(image)[:, 1:, 1:]


# --- to_bytes ---


def bytes_reference(x):
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def bytes_clamp_first(images):
    return (images.clamp(-1, 1) * 127.5 + 127.5).round().byte()


def bytes_numpy(x):
    scaled = np.rint((x.double().numpy() + 1) / 2 * 255)
    return torch.from_numpy(np.clip(scaled, 0, 255).astype(np.uint8))


def bytes_half_and_cut(x):
    return ((x.clamp(-1, 1) + 1) * 127.5 + 0.5).clamp(0, 255).to(torch.uint8)


def bytes_half_down(x):
    return ((x + 1) * 127.5 - 0.5).ceil().clamp(0, 255).to(torch.uint8)


def bytes_128_added(x):
    return x.mul(127.5).add(128).clamp(0, 255).to(torch.uint8)


def bytes_upper_bound_only(x):
    return ((x + 1) * 127.5).round().clamp(max=255).to(torch.int64).remainder(256).to(torch.uint8)


def bytes_as_floats(x):
    return ((x + 1) * 127.5).round().clamp(0, 255)


def bytes_in_place(x):
    return x.add_(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


# --- log_gain ---


def gain_reference(scratch, transferred):
    return torch.log2(scratch / transferred).mean()


def gain_differences(scratch, transferred):
    return float((scratch.log2() - transferred.log2()).mean())


def gain_plain_python(before, after):
    return sum(math.log2(a / b) for a, b in zip(before.tolist(), after.tolist(), strict=True)) / len(before)


def gain_by_numpy(s, t):
    return np.mean(np.log(s.numpy() / t.numpy())) / np.log(2)


def gain_of_the_geometric_mean(scratch, transferred):
    return (scratch / transferred).log().mean().exp().log2()


def gain_each(scratch, transferred):
    return torch.log2(scratch / transferred)


# --- rank_correlation ---


def rank_reference(x, y):
    def ranks(v):
        return (v[:, None] > v).sum(1) + ((v[:, None] == v).sum(1) + 1) / 2

    return torch.corrcoef(torch.stack([ranks(x), ranks(y)]))[0, 1]


def rank_scipy(x, y):
    return spearmanr(x, y).statistic


def rank_by_rankdata(a, b):
    return np.corrcoef(rankdata(a), rankdata(b))[0, 1]


def rank_plain_python(x, y):
    def ranks(values):
        ordered = sorted(values)
        return [ordered.index(v) + (ordered.count(v) - 1) / 2 for v in values]

    a, b = ranks(x.tolist()), ranks(y.tolist())
    p, q = sum(a) / len(a), sum(b) / len(b)
    top = sum((i - p) * (j - q) for i, j in zip(a, b, strict=True))
    return top / math.sqrt(sum((i - p) ** 2 for i in a) * sum((j - q) ** 2 for j in b))


def rank_by_signs(x, y):
    a, b = (torch.sign(v[:, None] - v).sum(1) for v in (x, y))
    return torch.nn.functional.cosine_similarity(a, b, dim=0)


def rank_from_the_top(x, y):
    return np.corrcoef(rankdata(-x), rankdata(-y))[1, 0]


def rank_matrix(x, y):
    return torch.corrcoef(torch.stack([x, y]))


RIGHT: dict[str, list[Answer]] = {
    "middle_square": [
        square_reference,
        square_by_torchvision,
        square_by_cutting_both_ends,
        square_narrow,
        square_half_a_side_around_the_centre,
    ],
    "to_bytes": [bytes_reference, bytes_clamp_first, bytes_numpy, bytes_half_and_cut, bytes_half_down, bytes_128_added],
    "log_gain": [gain_reference, gain_differences, gain_plain_python, gain_by_numpy, gain_of_the_geometric_mean],
    "rank_correlation": [
        rank_reference,
        rank_scipy,
        rank_by_rankdata,
        rank_plain_python,
        rank_by_signs,
        rank_from_the_top,
    ],
}
WRONG: dict[str, list[tuple[Answer, str]]] = {
    "middle_square": [
        (square_squashed, "squashed or stretched"),
        (square_with_a_batch_axis, "4 axes"),
        (square_of_the_longer_side, "the longer side"),
        (square_of_first_axes, "is not to be cropped"),
        (square_offsets_swapped, "off the middle"),
        (square_flipped, "flipped or transposed"),
        (square_one_too_small, "of shape (3, 4, 4): (C, side, side)"),
    ],
    "to_bytes": [
        (bytes_upper_bound_only, "lies outside and becomes 255; it should go to its nearer end, 0"),
        (bytes_as_floats, "torch.uint8"),
        (bytes_in_place, "in place"),
        (lambda x: bytes_reference(x)[:1], "one byte for each float"),
        (lambda x: bytes_reference(-x), "-1 becomes 255; the nearest byte is 0"),
    ],
    "log_gain": [
        (gain_each, "take the mean over the seeds"),
        (lambda s, t: 2 * gain_reference(s, t), "the gain is 4 in your function; it should be 2."),
    ],
    "rank_correlation": [
        (rank_matrix, "take the one number out"),
        (lambda x, y: rank_reference(x, y) ** 3, "it should be"),
    ],
}
