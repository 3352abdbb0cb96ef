"""Answers to the exercises of "Across domains", right and wrong."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.stats import kendalltau, rankdata, spearmanr
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


def square_top_left(image):
    side = min(image.shape[1:])
    return image[:, :side, :side]


def square_bottom_right(image):
    side = min(image.shape[1:])
    return image[:, -side:, -side:]


def square_squashed(image):
    return interpolate(image[None], [min(image.shape[1:])] * 2, mode="bilinear")[0]


def square_by_leaving_columns_out(image):
    return interpolate(image[None], [min(image.shape[1:])] * 2)[0]


def square_with_a_batch_axis(image):
    return square_reference(image)[None]


def square_of_the_longer_side(image):
    return center_crop(image, [max(image.shape[1:])] * 2)


def square_unchanged(image):
    return image


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


def bytes_cut(x):
    return ((x + 1) * 127.5).clamp(0, 255).to(torch.uint8)


def bytes_from_unit_range(x):
    return (x * 255).round().clamp(0, 255).to(torch.uint8)


def bytes_without_one(x):
    return (x * 127.5).round().clamp(0, 255).to(torch.uint8)


def bytes_128(x):
    return ((x + 1) * 128).round().clamp(0, 255).to(torch.uint8)


def bytes_bins(x):
    return ((x + 1) * 128).clamp(0, 255).to(torch.uint8)


def bytes_wrapped(x):
    return ((x + 1) * 127.5).round().to(torch.int64).remainder(256).to(torch.uint8)


def bytes_upper_bound_only(x):
    return ((x + 1) * 127.5).round().clamp(max=255).to(torch.int64).remainder(256).to(torch.uint8)


def bytes_twice_too_light(x):
    return ((x + 1) * 255).round().clamp(0, 255).to(torch.uint8)


def bytes_as_floats(x):
    return ((x + 1) * 127.5).round().clamp(0, 255)


def bytes_stretched(x):
    return ((x - x.min()) / (x.max() - x.min()) * 255).round().to(torch.uint8)


def bytes_in_place(x):
    return x.add_(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def bytes_zero_to_one(x):
    return ((x + 1) / 2).round().clamp(0, 255).to(torch.uint8)


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


def gain_turned(scratch, transferred):
    return torch.log2(transferred / scratch).mean()


def gain_natural(scratch, transferred):
    return torch.log(scratch / transferred).mean()


def gain_of_means(scratch, transferred):
    return torch.log2(scratch.mean() / transferred.mean())


def gain_mean_ratio_first(scratch, transferred):
    return (scratch / transferred).mean().log2()


def gain_mean_inverse_ratio_first(scratch, transferred):
    return -(transferred / scratch).mean().log2()


def gain_without_sign(scratch, transferred):
    return (scratch / transferred).log2().abs().mean()


def gain_median(scratch, transferred):
    return (scratch / transferred).log2().median()


def gain_ratio(scratch, transferred):
    return (scratch / transferred).mean()


def gain_difference(scratch, transferred):
    return (scratch - transferred).mean()


def gain_share(scratch, transferred):
    return (1 - transferred / scratch).mean()


def gain_sum(scratch, transferred):
    return torch.log2(scratch / transferred).sum()


def gain_each(scratch, transferred):
    return torch.log2(scratch / transferred)


def gain_decimal(scratch, transferred):
    return torch.log10(scratch / transferred).mean()


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


def rank_pearson(x, y):
    return torch.corrcoef(torch.stack([x, y]))[0, 1]


def rank_argsort(x, y):
    return torch.corrcoef(torch.stack([x.argsort(stable=True), y.argsort(stable=True)]).double())[0, 1]


def rank_argsort_twice(x, y):
    places = [v.argsort(stable=True).argsort(stable=True).double() for v in (x, y)]
    return torch.corrcoef(torch.stack(places))[0, 1]


def rank_lowest_place(x, y):
    return np.corrcoef(rankdata(x, "min"), rankdata(y, "min"))[0, 1]


def rank_highest_place(x, y):
    return np.corrcoef(rankdata(x, "max"), rankdata(y, "max"))[0, 1]


def rank_dense(x, y):
    return np.corrcoef(rankdata(x, "dense"), rankdata(y, "dense"))[0, 1]


def rank_squared_differences(x, y):
    n = len(x)
    d = rankdata(x) - rankdata(y)
    return 1 - 6 * (d**2).sum() / (n * (n**2 - 1))


def rank_kendall(x, y):
    n = len(x)
    return sum(((x[i] - x[j]).sign() * (y[i] - y[j]).sign()).item() for i in range(n) for j in range(i)) / (
        n * (n - 1) / 2
    )


def rank_kendall_by_scipy(x, y):
    return kendalltau(x, y).statistic


def rank_uncentred(x, y):
    a, b = rankdata(x), rankdata(y)
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


def rank_two_divisors(x, y):
    a, b = (torch.as_tensor(rankdata(v)) for v in (x, y))
    return ((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std())


def rank_without_sign(x, y):
    return abs(spearmanr(x, y).statistic)


def rank_covariance(x, y):
    a, b = rankdata(x), rankdata(y)
    return ((a - a.mean()) * (b - b.mean())).mean()


def rank_turned(x, y):
    return np.corrcoef(rankdata(x), rankdata(-y))[0, 1]


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
        (square_top_left, "top left corner"),
        (square_bottom_right, "bottom right corner"),
        (square_squashed, "squashed or stretched"),
        (square_by_leaving_columns_out, "left out in between"),
        (square_with_a_batch_axis, "4 axes"),
        (square_of_the_longer_side, "the longer side"),
        (square_unchanged, "is no square"),
        (square_of_first_axes, "is not to be cropped"),
        (square_offsets_swapped, "off the middle"),
        (square_flipped, "flipped or transposed"),
        (square_one_too_small, "is the largest square"),
    ],
    "to_bytes": [
        (bytes_cut, "cut off and not rounded"),
        (bytes_from_unit_range, "back from [0, 1]"),
        (bytes_without_one, "1 has not been added"),
        (bytes_128, "256 steps"),
        (bytes_bins, "bins of 1/128"),
        (bytes_wrapped, "256 is 0 again"),
        (bytes_upper_bound_only, "-1.3, -1.004, 1.004, 1.3 lie outside and become 218"),
        (bytes_twice_too_light, "the light half"),
        (bytes_as_floats, "torch.uint8"),
        (bytes_stretched, "stretched over all of it"),
        (bytes_in_place, "in place"),
        (bytes_zero_to_one, "bytes run to 255"),
    ],
    "log_gain": [
        (gain_turned, "the sign is turned"),
        (gain_natural, "natural logarithm"),
        (gain_decimal, "base 10"),
        (gain_of_means, "the seed with the largest decides"),
        (gain_mean_ratio_first, "then make a gain"),
        (gain_mean_inverse_ratio_first, "favours the seeds"),
        (gain_without_sign, "the sign is lost"),
        (gain_median, "2 is right"),
        (gain_ratio, "mean ratio"),
        (gain_difference, "a difference of distances"),
        (gain_share, "the share that was saved"),
        (gain_sum, "added up"),
        (gain_each, "one for each seed"),
    ],
    "rank_correlation": [
        (rank_pearson, "values themselves"),
        (rank_argsort, "argsort of the argsort"),
        (rank_argsort_twice, "equal values got different ranks"),
        (rank_lowest_place, "the lowest of their places"),
        (rank_highest_place, "the highest of their places"),
        (rank_dense, "dense ranks"),
        (rank_squared_differences, "holds without ties only"),
        (rank_kendall, "Kendall"),
        (rank_kendall_by_scipy, "its form for ties"),
        (rank_uncentred, "the mean rank"),
        (rank_two_divisors, "n - 1"),
        (rank_without_sign, "the sign is lost"),
        (rank_covariance, "covariance of the ranks"),
        (rank_turned, "the sign is turned"),
        (rank_matrix, "more than one number"),
    ],
}
