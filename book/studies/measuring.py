"""Chapter 6's studies: how six measures depend on the number of images, and what each of them does not see.

    python book/studies/measuring.py [--quick] [--out FILE]

Four kinds of cell, all at features mnist-v1 and for every seed:

    bias       Fréchet and kernel distance of n images to the training images, n from 100 to 10 000
    doctored   all six measures of sets that have one known fault each
    silent     the Fréchet distance after a mistake in reading or scaling the images
    cost       seconds and memory of each measure

Seconds are those of one core that this process had, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import copy
import functools
import io
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from study import RESULTS, run_cells
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.functional import gaussian_blur

from tgan_lib import GAN, data, zoo
from tgan_lib.bench.costs import peak_bytes
from tgan_lib.data import resize
from tgan_lib.features import FeatureNet, extract, load_features
from tgan_lib.metrics import frechet_between, frechet_distance, kernel_distance, moments, prdc

SEEDS = (0, 1, 2)
SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000)
KERNEL_SIZES = (100, 200, 500, 1000, 2000)
DRAWS = 10  # at most, from one seed: draws share no image
TABLE = 1000  # images on each side in the table of doctored sets
KERNEL = {"subsets": 20, "subset_size": 500}
STATIC_STEPS = 40
K = 5  # neighbours
COSTS = (1000, 2000, 5000, 10_000)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rounded(value: float, digits: int = 4) -> float:
    """To so many significant digits."""
    return float(f"{value:.{digits}g}")


class Sets:
    """Real and generated images and their features, each computed when it is first asked for."""

    def __init__(self, limit: int | None = None) -> None:
        self.net: FeatureNet = load_features("mnist-v1", "cpu")
        self.train = data.load("mnist", limit=limit, device="cpu")
        self.test = data.load("mnist", split="test", limit=limit, device="cpu")
        self.gan: GAN = zoo.load("mnist-dcgan", "cpu")

    def features(self, images: Tensor) -> Tensor:
        return extract(self.net, images)[0]

    @functools.cached_property
    def train_features(self) -> Tensor:
        return self.features(self.train.data)

    @functools.cached_property
    def test_features(self) -> Tensor:
        return self.features(self.test.data)

    @functools.cached_property
    def reference(self) -> tuple[Tensor, Tensor]:
        """Mean and covariance of all training images."""
        return moments(self.train_features)

    def frechet(self, features: Tensor) -> float:
        return frechet_between(*moments(features), *self.reference)

    def sampled(self, n: int, seed: int, truncation: float = 1.0) -> Tensor:
        return self.features(self.gan.sample(n, seed=seed, truncation=truncation))


# --- bias ---


def bias(sets: Sets, seed: int) -> dict[str, Any]:
    """Means over draws, for each kind of images and each n; for the kernel distance their spread too."""
    most = min(SIZES[-1], len(sets.test), len(sets.train) // 2)
    order = torch.randperm(len(sets.train), generator=rng(seed))
    fresh, rest = sets.train_features[order[:most]], sets.train_features[order[most:]]
    tested = sets.test_features[torch.randperm(len(sets.test), generator=rng(seed))[:most]]
    generated = sets.sampled(most, seed)
    kinds = {
        "training images": (fresh, moments(rest)),
        "test images": (tested, sets.reference),
        "DCGAN": (generated, sets.reference),
    }
    found: dict[str, Any] = {}
    for name, (features, reference) in kinds.items():
        curve = []
        for n in (n for n in SIZES if n <= most):
            parts = features[: n * min(DRAWS, most // n)].split(n)
            curve.append(rounded(np.mean([frechet_between(*moments(part), *reference) for part in parts])))
        found[f"{name}, frechet"] = curve
        if name == "training images":
            continue
        means, spreads = [], []
        for n in (n for n in KERNEL_SIZES if n <= most):
            parts = features[: n * min(DRAWS, most // n)].split(n)
            real = rest.split(n)  # as many others of the training images
            estimates = [
                kernel_distance(a, b, subsets=1, subset_size=n).mean
                for a, b in zip(real, parts, strict=False)
            ]
            means.append(rounded(np.mean(estimates)))
            spreads.append(rounded(np.std(estimates, ddof=1)))
        found |= {f"{name}, kernel": means, f"{name}, kernel_std": spreads}
    return found


# --- doctored sets ---


def static_with_features(net: FeatureNet, wanted: Tensor, seed: int, steps: int) -> Tensor:
    """Images that begin as faint static and are moved, pixel by pixel, until their features are `wanted`."""
    x = (0.4 * torch.rand(len(wanted), 1, 28, 28, generator=rng(seed)) - 1).requires_grad_()
    adam = torch.optim.Adam([x], lr=0.2, betas=(0.5, 0.99))
    slower = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
    for _ in range(steps):
        loss = (net.features(x) - wanted).square().sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        slower.step()
        x.data.clamp_(-1, 1)
    return x.detach()


def doctored(sets: Sets, name: str, seed: int) -> dict[str, float]:
    """The six measures of the set `name`, and how many images it has."""
    n = min(TABLE, len(sets.test) // 5)
    order = torch.randperm(len(sets.train), generator=rng(seed))
    real = sets.train_features[order[:n]]
    shuffled = torch.randperm(len(sets.test), generator=rng(seed))
    tested, labels = sets.test.data[shuffled], sets.test.labels[shuffled]
    pixels = tested[:n] / 127.5 - 1
    five = sets.test_features[shuffled][labels < 5][:n]
    static = torch.rand(n // 2, 1, 28, 28, generator=rng(seed)) * 2 - 1
    overlaid = torch.maximum(tested[: n // 20], tested[n // 20 : 2 * (n // 20)])

    def gaussian() -> Tensor:
        mean, cov = sets.reference
        values, vectors = torch.linalg.eigh(cov)
        root = vectors * values.clamp(min=0).sqrt()
        noise = torch.randn(n, len(mean), generator=rng(seed), dtype=torch.float64)
        return (mean + noise @ root.T).float()

    def matched() -> Tensor:
        wanted = sets.train_features[order[n : 2 * n]]
        return sets.features(static_with_features(sets.net, wanted, seed, STATIC_STEPS))

    makers: dict[str, Callable[[], Tensor]] = {
        "test images": lambda: sets.features(tested[:n]),
        "DCGAN": lambda: sets.sampled(n, seed),
        "blurred": lambda: sets.features(gaussian_blur(pixels, 7, 0.7)),
        "half static": lambda: sets.features(torch.cat([pixels[: n - n // 2], static])),
        "five digits": lambda: five,
        "five digits, overlaid": lambda: torch.cat([five[: n - n // 20], sets.features(overlaid)]),
        "100 copied": lambda: sets.train_features[order[-100:]].repeat(-(-n // 100), 1)[:n],
        "all copied": lambda: real.clone(),
        "Gaussian features": gaussian,
        "static, matched": matched,
    }
    fake = makers[name]()
    kernel = kernel_distance(
        real, fake, subsets=KERNEL["subsets"], subset_size=min(KERNEL["subset_size"], n // 2)
    )
    shares = {key: round(value, 3) for key, value in prdc(real, fake, K)._asdict().items()}
    return {"frechet": rounded(sets.frechet(fake)), "kernel": rounded(kernel.mean), **shares, "n": len(fake)}


DOCTORED = (
    "test images",
    "DCGAN",
    "blurred",
    "half static",
    "five digits",
    "five digits, overlaid",
    "100 copied",
    "all copied",
    "Gaussian features",
    "static, matched",
)


# --- silent errors ---


def by_way_of(images: Tensor, size: int, antialias: bool) -> Tensor:
    """Enlarged to `size` and back to 28 pixels, both bilinear."""
    larger = interpolate(images, (size, size), mode="bilinear")
    return interpolate(larger, (28, 28), mode="bilinear", antialias=antialias)


def as_jpeg(images: Tensor, quality: int) -> Tensor:
    """Floats (n, 1, H, W) in [-1, 1], written as JPEG and read again."""
    read = []
    for picture in ((images[:, 0] + 1) * 127.5).round().to(torch.uint8).numpy():
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        read.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(read))[:, None] / 127.5 - 1


@torch.no_grad()
def features_in_train_mode(net: FeatureNet, images: Tensor, batch_size: int = 100) -> Tensor:
    """Batch normalisation then uses each batch's own mean and variance. A copy: they would be kept, too."""
    net = copy.deepcopy(net).train()
    return torch.cat([net.features(part) for part in images.split(batch_size)])


def silent(sets: Sets, seed: int) -> dict[str, Any]:
    """Fréchet distances to all training images: {mistake: [of test images, of samples]}; and of resizing."""
    n = min(TABLE, len(sets.test) // 2)
    order = torch.randperm(len(sets.test), generator=rng(seed))
    images = [sets.test.data[order[:n]] / 127.5 - 1, sets.gan.sample(n, seed=seed)]
    changes: dict[str, Callable[[Tensor], Tensor]] = {
        "none": lambda x: x,
        "bytes cut off, not rounded": lambda x: ((x + 1) * 127.5).to(torch.uint8) / 127.5 - 1,
        "JPEG, quality 90": lambda x: as_jpeg(x, 90),
        "JPEG, quality 75": lambda x: as_jpeg(x, 75),
        "by way of 32 pixels": lambda x: by_way_of(x, 32, True),
        "by way of 32, aliased": lambda x: by_way_of(x, 32, False),
        "shifted by a pixel": lambda x: x.roll(1, 3),
        "range 0 to 1": lambda x: (x + 1) / 2,
    }
    found: dict[str, Any] = {
        name: [rounded(sets.frechet(sets.features(change(x)))) for x in images]
        for name, change in changes.items()
    }
    trained = [features_in_train_mode(sets.net, x) for x in images]
    found["features in train mode"] = [rounded(sets.frechet(x)) for x in trained]
    few = [sets.features(x[: n // 4]) for x in images]
    found["a quarter of the images"] = [rounded(sets.frechet(x)) for x in few]
    # the same two mistakes on one side or on both: against n training images only, so that these can be made too
    real = sets.train.data[torch.randperm(len(sets.train), generator=rng(seed))[:n]] / 127.5 - 1
    plain = [sets.features(x) for x in (real, *images)]
    wrong = {
        "JPEG, quality 75": [sets.features(as_jpeg(x, 75)) for x in (real, *images)],
        "features in train mode": [features_in_train_mode(sets.net, real), *trained],
    }
    for name, (reference, *others) in wrong.items():
        pairs = {"neither": plain, "generated": [plain[0], *others], "both": [reference, *others]}
        found[f"{name}, by side"] = {
            side: [rounded(frechet_distance(one, first)) for one in rest]
            for side, (first, *rest) in pairs.items()
        }
    return found


def resizing(seed: int, limit: int = 2000) -> dict[str, float]:
    """Omniglot's drawings at 28 pixels: the distance of other ways to reduce them to `pixels.resize`."""
    net = load_features("mnist-v1", "cpu")
    drawn = data.load("omniglot", limit=limit, device="cpu").data
    drawn = drawn[torch.randperm(len(drawn), generator=rng(seed))[: len(drawn) // 2]]
    right, floats = extract(net, resize(drawn, 28))[0], drawn / 127.5 - 1

    def distance(mode: str, **options: bool) -> float:
        small = interpolate(floats, (28, 28), mode=mode, **options).clamp(-1, 1)  # bicubic overshoots
        return rounded(frechet_distance(extract(net, small)[0], right))

    return {
        "bilinear, antialiased": distance("bilinear", antialias=True),
        "bilinear": distance("bilinear", antialias=False),
        "bicubic": distance("bicubic", antialias=False),
        "nearest": distance("nearest"),
    }


# --- cost ---

CALLS: dict[str, Callable[[Tensor, Tensor], object]] = {
    "frechet": frechet_distance,
    "kernel": lambda x, y: kernel_distance(x, y, subset_size=min(1000, len(x))),
    "prdc": prdc,
}


def cost(sets: Sets, seed: int, sizes: Sequence[int]) -> dict[str, Any]:
    """{measure: seconds of one core for each n}, and those of the features of 1 000 images."""

    def seconds(call: Callable[[], object]) -> float:
        began = time.process_time()
        call()
        return rounded(time.process_time() - began, 3)

    x, y = (torch.randn(sizes[-1], 64, generator=rng(seed + i)) for i in range(2))
    found: dict[str, Any] = {
        name: [seconds(functools.partial(call, x[:n], y[:n])) for n in sizes] for name, call in CALLS.items()
    }
    return found | {"features of 1000": seconds(lambda: sets.features(sets.test.data[:1000]))}


def peak_mebibytes(measure: str, n: int) -> float:
    """What the measure of n and n features adds to this process at its largest."""
    x, y = torch.randn(n, 64), torch.randn(n, 64)
    CALLS[measure](x[:500], y[:500])  # whatever is needed once
    before = peak_bytes()
    CALLS[measure](x, y)
    return round((peak_bytes() - before) / 2**20)


def memory(sizes: Sequence[int]) -> dict[str, Any]:
    """{measure: mebibytes for each n}, each in a process of its own."""

    def measured(measure: str, n: int) -> float:
        command = [sys.executable, __file__, "--peak", measure, str(n)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    return {name: [measured(name, n) for n in sizes] for name in CALLS}


# --- all of it ---


def compute(cell: str, sets: Sets, sizes: Sequence[int]) -> dict[str, Any]:
    kind, seed = cell.rsplit(" seed ", 1)
    kind, _, name = kind.partition(": ")
    by_kind: dict[str, Callable[[int], dict[str, Any]]] = {
        "bias": lambda seed: bias(sets, seed),
        "doctored": lambda seed: doctored(sets, name, seed),
        "silent": lambda seed: silent(sets, seed),
        "resizing": lambda seed: resizing(seed, 2 * TABLE if sizes == COSTS else 200),
        "cost": lambda seed: cost(sets, seed, sizes),
        "memory": lambda seed: memory(sizes[-1:]),
    }
    return by_kind[kind](int(seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few images, to try it; needs --out")
    parser.add_argument("--out", type=Path, default=RESULTS / "measuring.json")
    parser.add_argument("--peak", nargs=2, metavar=("MEASURE", "N"), help="print the memory of one measure")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak:
        print(peak_mebibytes(arguments.peak[0], int(arguments.peak[1])))
        return
    if arguments.quick and arguments.out == RESULTS / "measuring.json":
        raise SystemExit("--quick is for trying; say with --out where its results go")
    sets = Sets(1500 if arguments.quick else None)
    sizes = COSTS[:1] if arguments.quick else COSTS
    kinds = ["bias", *(f"doctored: {name}" for name in DOCTORED), "silent", "resizing", "cost"]
    settings = {
        "seeds": list(SEEDS),
        "features": "mnist-v1",
        "sizes": list(SIZES),
        "kernel_sizes": list(KERNEL_SIZES),
        "draws": DRAWS,
        "table": TABLE,
        "kernel": KERNEL,
        "k": K,
        "static_steps": STATIC_STEPS,
        "cost_sizes": list(sizes),
        "doctored": list(DOCTORED),
    }
    cells = [f"{kind} seed {seed}" for seed in SEEDS for kind in kinds] + ["memory seed 0"]
    run_cells(
        arguments.out,
        "book/studies/measuring.py",
        settings,
        cells,
        lambda cell: compute(cell, sets, sizes),
    )


if __name__ == "__main__":
    main()
