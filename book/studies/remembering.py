"""Chapter 14's study: three ways of holding on to the source, each at three weights, on 10 and on 100 images.

    python book/studies/remembering.py [--quick]

From digits to letters, with what `adaptation` gives every study of Part III, and fewer steps. Beside a table's usual
numbers each run says what is left of the source: whether the source digit of a latent can still be read from its
sample, how much the two pictures are alike, how far the samples are from real digits, and how far the weights moved,
plainly and weighted by their Fisher information.

The terms' weights were set beforehand, by gradients and not by results. Where plain fine-tuning on ten images stood
after 60 steps, L2-SP's gradient would have been 3 %, 28 % and 280 % of the adversarial one, and CDC's 1 %, 39 % and 13
times (root mean squares over G's weights); EWC, with F scaled to mean 1, has L2-SP's numbers. Each run is stored when
it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import torch
from adaptation import FEATURES, SAMPLES, TRAINED, Pair, digits_to_letters, report, run_way, spread
from measured import limit
from PIL import Image
from study import Part, Study, command_line
from torch import Tensor

from tgan_lib import GAN, data
from tgan_lib.features import extract
from tgan_lib.metrics import frechet_distance, prdc
from tgan_lib.transfer import EWC, start_from

SEEDS = (0, 1, 2)
NUMBERS = (10, 100)
STEPS, READINGS = 200, 2
KEPT = ("frechet", "kernel", "precision", "recall", "density", "coverage", "spread", "copied", "copy_z")
FISHER_SAMPLES = 256  # for the measure; EWC itself makes do with fewer
# Name in the chapter -> way and settings. Methods stand from their weakest weight to their strongest.
CONFIGURATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "fine-tuning": ("fine_tune", {}),
    **{f"L2-SP {w:g}": ("l2sp", {"weight": w}) for w in (0.03, 0.3, 3.0)},
    **{f"EWC {w:g}": ("ewc", {"strength": w, "samples": 64}) for w in (0.03, 0.3, 3.0)},
    **{f"CDC {w:,.0f}": ("correspondence", {"weight": w}) for w in (1e3, 3e4, 1e6)},
}


def readable(features: Tensor, classes: Tensor) -> float:
    """The share of samples (n, d) whose source class (n,) is that of the nearest class mean.

    The means are those of every other sample, and the samples between them are asked.
    """
    known, asked = features[::2], features[1::2]
    means = torch.stack([known[classes[::2] == c].mean(0) for c in range(10)])
    found = torch.cdist(asked, means).argmin(1)
    return float((found == classes[1::2]).float().mean())


def resemblance(images: Tensor, others: Tensor) -> float:
    """The correlation of the pixels of two pictures, averaged over pairs of them (n, C, H, W)."""
    a, b = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (images, others))
    return float(torch.cosine_similarity(a, b).mean())


class Source:
    """What is known of the source before anything forgets it: its samples, their classes, its Fisher information."""

    def __init__(self, pair: Pair, n: int) -> None:
        self.gan, self.distance = pair.source, pair.distance(n)
        self.z = self.gan.latents(n, self.distance.seed)
        self.samples = self.gan.sample(z=self.z)
        self.features, logits = extract(self.distance.net, self.samples)
        self.classes = logits.argmax(1)
        self.digits = extract(self.distance.net, data.load("mnist", split="test", limit=limit()).data)[0]
        self.start = dict(self.gan.ema.named_parameters())
        self.fisher = EWC(start_from(self.gan), 1.0, samples=FISHER_SAMPLES).fisher
        self.ten = self.z[logits.argmax(0)]  # for each digit the latent whose sample is most surely one

    def forgotten(self, gan: GAN) -> dict[str, float]:
        """What is left of the source in `gan`, by name.

        readable; alike, and alike_other, with the source's sample of another latent; back, the Fréchet distance to
        MNIST's test images; moved, the root mean square change of a weight of G's average, and moved_fisher, the same
        with each weight counted by its Fisher information.
        """
        samples, features = gan.sample(z=self.z), self.distance.sampled(gan)
        now = dict(gan.ema.named_parameters())
        change = torch.cat([(now[k] - p).flatten() for k, p in self.start.items()]).square()
        fisher = torch.cat([self.fisher[k].flatten() for k in self.start])
        return {
            "readable": round(readable(features, self.classes), 4),
            "alike": round(resemblance(samples, self.samples), 4),
            "alike_other": round(resemblance(samples, self.samples.roll(1, 0)), 4),
            "back": round(frechet_distance(features, self.digits), 2),
            "moved": round(float(change.mean().sqrt()), 6),
            "moved_fisher": round(float(((change * fisher).sum() / fisher.sum()).sqrt()), 6),
        }


def reference(pair: Pair, source: Source) -> dict[str, dict[str, float]]:
    """The same numbers for the source as it is, and for letters: the pool that the few images are drawn from."""
    held_out = source.distance.real
    pool = extract(source.distance.net, pair.pool.data)[0]
    found = {}
    for name, fake in {"source": source.features, "letters": pool}.items():
        m = min(len(held_out), len(fake))
        found[name] = {
            "frechet": round(frechet_distance(fake, held_out), 2),
            **{k: round(v, 4) for k, v in prdc(held_out[:m], fake[:m], 3)._asdict().items()},
            "spread": round(spread(fake) / spread(held_out), 4),
            "back": round(frechet_distance(fake, source.digits), 2),
        }
    found["source"] |= {k: v for k, v in source.forgotten(source.gan).items() if k != "back"}
    return found


def as_text(samples: Tensor) -> str:
    """Samples (n, 1, H, W) side by side in 16 greys, a PNG in base64."""
    row = data.to_uint8(samples)[:, 0].permute(1, 0, 2).flatten(1).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(np.rint(row / 17).astype(np.uint8) * 17).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def make(quick: bool = False) -> Study:
    steps, samples = (4, 100) if quick else (STEPS, SAMPLES)
    pair = digits_to_letters()
    source = Source(pair, samples)

    def about_source() -> dict[str, Any]:
        return {**reference(pair, source), "pictures": as_text(source.gan.sample(z=source.ten))}

    def compute(n: int, configuration: str, seed: int) -> dict[str, Any]:
        way, given = CONFIGURATIONS[configuration]
        gan, found = run_way(pair, source.distance, way, n, seed, steps, READINGS, settings=given)
        print(f"{n} images, {configuration}, seed {seed}: {found['distance']}", flush=True)
        numbers = report(gan, pair, source.distance, n, seed)
        found |= {name: numbers[name] for name in KEPT} | source.forgotten(gan)
        return found | ({"pictures": as_text(gan.sample(z=source.ten))} if seed == SEEDS[0] else {})

    settings = {
        "steps": [steps * r // READINGS for r in range(1, READINGS + 1)],
        "seeds": SEEDS,
        "numbers": NUMBERS,
        "samples": samples,
        "features": FEATURES,
        "trained": TRAINED,
        "configurations": CONFIGURATIONS,
        "threads": torch.get_num_threads(),
    }
    return Study(
        "remembering",
        {"n": NUMBERS, "configuration": tuple(CONFIGURATIONS), "seed": SEEDS},
        settings,
        compute,
        before=[Part("reference", {}, about_source)],
        smallest={"configuration": ("fine-tuning", "EWC 0.3")} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
