"""Chapter 10's study: five domains, every one as the source of every other, and what foretells the gain.

    python book/studies/cross_domain.py [--quick]

One DCGAN is trained for each domain, all alike (SOURCE), and kept in CACHE, so that the script can be stopped and
started again. Then every target is learnt from a hundred of its images, from every source and from scratch. "distances"
are what can be measured before that, from those same hundred images. Three smaller groups follow: digits in
dark ink on white, a way to keep diversity, and a GAN of 32 px letters grown to 64 px.
"""

from __future__ import annotations

import base64
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from adaptation import TRAINED, spread
from PIL import Image
from study import CACHE, Part, Study, command_line
from torch import Tensor
from torch.nn.functional import avg_pool2d

from tgan_lib import GAN, Distance, adapt, data, few_shot, load, train, zoo
from tgan_lib.chapters.domains import DOMAINS, FEATURES, Domain, load_domain
from tgan_lib.features import SmallNet, extract, load_features
from tgan_lib.metrics import frechet_between, frechet_distance, judge, kernel_distance, moments, prdc
from tgan_lib.plots import tile
from tgan_lib.transfer import start_from

SEEDS = (0, 1, 2)
IMAGES, STEPS, EVERY, SAMPLES = 100, 150, 50, 500
NETWORK: dict[str, Any] = {"network": "dcgan", "size": 28, "channels": 1, "latent_dim": 64, "width": 32}
SOURCE = TRAINED | {"batch_size": 32, "ema_half_life": 5000, "steps": 800}
SCRATCH = "scratch"
MEASURES = (
    "Fréchet, mnist-v1",
    "Fréchet, cifar10-v1",
    "Fréchet, random network",
    "kernel, cifar10-v1",
    "Fréchet, pixels",
    "D's judgement",
    "G's samples",
    "G's recall",
)
NEGATIVES = "dark ink"  # digits, inverted
NEGATIVE_SOURCES = ("digits", "vehicles", SCRATCH)
REMEDIES: dict[str, dict[str, Any]] = {"L2-SP 0.3": {"way": "l2sp", "settings": {"weight": 0.3}}}
REMEDY_TARGET, REMEDY_SOURCES = "letters", ("characters", "vehicles")
GROWN: dict[str, Any] = {"size": 64, "width": 16}  # half the width, so that the deep layers fit
GROWN_IMAGES, GROWN_STEPS, GROWN_EVERY = 500, 200, 100


class Reader:
    """What is read of a GAN on its way, against a target's held-out images; the Fréchet distance is returned.

    `found` holds a list for each: distance, precision, recall (k = 3, as many samples as images held out) and spread,
    of the samples' features, as a multiple of that of the images held out. inverted: samples are measured as negatives.
    """

    def __init__(self, held_out: data.Images, features: str, n: int, inverted: bool = False) -> None:
        self.distance = Distance(held_out, features=features, n=n)
        self.inverted, self.spread = inverted, spread(self.distance.real)
        self.found: dict[str, list[float]] = {}

    def __call__(self, gan: GAN) -> float:
        samples = gan.sample(self.distance.n, seed=self.distance.seed)
        samples = -samples if self.inverted else samples
        fake = extract(self.distance.net, samples, floats="any")[0]
        away = frechet_between(*moments(fake), self.distance.mean, self.distance.cov)
        real = self.distance.real
        found = prdc(real, fake[: len(real)], 3)
        read = {"distance": away, "precision": found.precision, "recall": found.recall}
        for name, value in (read | {"spread": spread(fake) / self.spread}).items():
            self.found.setdefault(name, []).append(float(f"{value:.4g}"))
        return away


def inverted(domain: Domain) -> Domain:
    """Dark where it was light."""
    pool, held_out = (
        replace(part, data=255 - part.data, name=NEGATIVES) for part in (domain.pool, domain.held_out)
    )
    return Domain(NEGATIVES, pool, held_out, domain.features)


def source_gan(name: str, pool: data.Images, folder: Path, steps: int) -> GAN:
    """The source of a domain, trained once and then read from `folder`, as 16-bit weights either way."""
    path = folder / f"{name}-{steps}.safetensors"
    if not path.exists():
        print(f"source {name} ...", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        gan = GAN.build(**NETWORK, seed=0, device=pool.device)
        train(gan, pool, progress=False, seed=0, **(SOURCE | {"steps": steps}))
        zoo.write(path.with_name("part-" + path.name), gan, {"name": name})
        for suffix in (".json", ".safetensors"):
            path.with_name("part-" + path.name).with_suffix(suffix).rename(path.with_suffix(suffix))
    return zoo.read(path, json.loads(path.with_suffix(".json").read_text()))


def picture(gan: GAN, n: int = 8) -> str:
    """`n` samples in two rows as a PNG of 16 greys, in base64."""
    sheet = tile(data.to_uint8(gan.sample(n, seed=3)), n // 2, gap=0)[..., 0]
    file = io.BytesIO()
    image = Image.fromarray(sheet // 17 * 17).quantize(16)
    image.save(file, "PNG", optimize=True, bits=4)
    return base64.b64encode(file.getvalue()).decode()


def distances(
    domains: dict[str, Domain], sources: dict[str, GAN], seed: int, n: int = SAMPLES
) -> dict[str, list[list[float]]]:
    """By measure, a row for each source and in it a number for each target; large is to mean far.

    A source's images are those of its pool, n of them; a target's are the hundred of `seed`.
    """
    net = SmallNet(28, 1)
    rng = torch.Generator().manual_seed(0)
    for p in net.parameters():
        if p.ndim > 1:
            torch.nn.init.kaiming_normal_(p, generator=rng)
    nets = {
        "mnist-v1": load_features("mnist-v1"),
        "cifar10-v1": load_features("cifar10-v1"),
        "random network": net.eval(),
    }
    theirs = {name: few_shot(d.pool, min(n, len(d.pool)), seed=seed) for name, d in domains.items()}
    ours = {name: few_shot(d.pool, min(IMAGES, len(d.pool)), seed=seed) for name, d in domains.items()}

    def seen(name: str, images: Tensor) -> Tensor:
        if name == "pixels":
            return avg_pool2d(images / 127.5 - 1, 2).flatten(1)
        return extract(nets[name], images)[0]

    found: dict[str, list[list[float]]] = {}
    for measure in MEASURES[:5]:
        kind, name = measure.split(", ")
        a = {d: seen(name, images.data) for d, images in theirs.items()}
        b = {d: seen(name, images.data) for d, images in ours.items()}
        found[measure] = [
            [
                frechet_distance(a[s], b[t])
                if kind == "Fréchet"
                else 1000
                * kernel_distance(a[s], b[t], subsets=20, subset_size=min(IMAGES, len(b[t]), len(a[s]))).mean
                for t in domains
            ]
            for s in domains
        ]
    logits = {s: {t: judge(gan, ours[t]).mean() for t in domains} for s, gan in sources.items()}
    new = {s: judge(sources[s], domains[s].held_out).mean() for s in sources}
    found["D's judgement"] = [[float(new[s] - logits[s][t]) for t in domains] for s in domains]
    samples = {s: data.to_uint8(gan.sample(n, seed=1)) for s, gan in sources.items()}
    found["G's samples"], found["G's recall"] = [], []
    for s in domains:
        nearness, missed = [], []
        for t, domain in domains.items():
            fake, real = (seen(domain.features, images) for images in (samples[s], ours[t].data))
            nearness.append(frechet_distance(fake, real))
            missed.append(1 - prdc(real, fake, 3).recall)
        found["G's samples"].append(nearness)
        found["G's recall"].append(missed)
    return {m: [[float(f"{x:.4g}") for x in row] for row in rows] for m, rows in found.items()}


class Runs:
    """What the runs share, and each run. `short`: every number of steps is divided by it."""

    def __init__(self, folder: Path, short: int, names: tuple[str, ...], samples: int) -> None:
        self.short, self.samples = short, samples
        self.domains = {name: load_domain(name) for name in names}
        steps = SOURCE["steps"] // short
        self.sources = {name: source_gan(name, d.pool, folder, steps) for name, d in self.domains.items()}
        self.targets = self.domains | {NEGATIVES: inverted(self.domains["digits"])}

    def reader(self, target: str) -> Reader:
        domain = self.domains["digits"] if target == NEGATIVES else self.targets[target]
        return Reader(domain.held_out, domain.features, self.samples, inverted=target == NEGATIVES)

    def settings(self) -> dict[str, Any]:
        """What the results say of how they were made."""
        readers = {name: self.reader(name) for name in self.domains}
        return {
            "domains": list(self.domains),
            "features": FEATURES,
            "pools": {name: len(d.pool) for name, d in self.domains.items()},
            "held_out": {name: len(d.held_out) for name, d in self.domains.items()},
            "floors": {
                name: round(
                    readers[name].distance.of_images(few_shot(d.pool, min(self.samples, len(d.pool))).data), 2
                )
                for name, d in self.domains.items()
            },
            "images": IMAGES,
            "samples": self.samples,
            "at": list(range(0, STEPS + 1, EVERY)),
            "grown": GROWN | {"at": list(range(0, GROWN_STEPS + 1, GROWN_EVERY)), "images": GROWN_IMAGES},
            "seeds": list(SEEDS),
            "measures": list(MEASURES),
            "dark": {"name": NEGATIVES, "sources": list(NEGATIVE_SOURCES)},
            "remedies": {"names": list(REMEDIES), "target": REMEDY_TARGET, "sources": list(REMEDY_SOURCES)},
            "network": NETWORK,
            "source": SOURCE,
            "trained": TRAINED,
            "threads": torch.get_num_threads(),
            "data": {name: d.pool.source for name, d in self.domains.items()},
        }

    def one(self, source: str, target: str, seed: int, remedy: str = "") -> dict[str, Any]:
        pool = self.targets[target].pool
        images = few_shot(pool, min(IMAGES, len(pool)), seed=seed)  # a quick run has fewer
        way = {"way": SCRATCH} if source == SCRATCH else {}
        # scratch builds what the source is; which source does not matter
        gan = self.sources["digits" if source == SCRATCH else source]
        read = self.reader(target)
        read(GAN.build(**NETWORK, seed=seed) if source == SCRATCH else gan)
        options = TRAINED | way | REMEDIES.get(remedy, {})
        steps, every = STEPS // self.short, max(1, EVERY // self.short)
        gan, _ = adapt(
            gan, images, seed=seed, steps=steps, metric=read, metric_every=every, progress=False, **options
        )
        print(f"{source} to {target} {remedy}, seed {seed}: {read.found['distance']}", flush=True)
        shown = {"samples": picture(gan)} if seed == 0 and not remedy and target != NEGATIVES else {}
        return read.found | shown

    def grow(self, start: str, seed: int) -> dict[str, Any]:
        """32 px letters grown to 64 px, or a fresh GAN of the same shape, trained on the same images."""
        steps, every = GROWN_STEPS // self.short, max(1, GROWN_EVERY // self.short)
        return grow(start == "grown", seed, steps, every, min(GROWN_IMAGES, self.samples), self.samples)


def grow(from_source: bool, seed: int, steps: int, every: int, images: int, samples: int) -> dict[str, Any]:
    source = zoo.load("letters-32")
    gan = start_from(source, generator=from_source, discriminator=from_source, seed=seed, **GROWN)
    pool = load("glyphs:letters", size=64, channels=3, limit=images)
    held_out = load("glyphs:letters", size=64, channels=3, limit=images, split="test")
    read = Reader(held_out, "glyphs-v1", samples)
    read(gan)
    train(gan, pool, seed=seed, steps=steps, metric=read, metric_every=every, progress=False, **TRAINED)
    print(f"{'grown' if from_source else 'fresh'} seed {seed}: {read.found['distance']}", flush=True)
    return read.found | {"floor": round(read.distance.of_images(pool.data), 3)}


def make(quick: bool = False) -> Study:
    names = ("digits", REMEDY_TARGET, REMEDY_SOURCES[0]) if quick else tuple(DOMAINS)
    folder = Path(tempfile.mkdtemp()) if quick else CACHE / "cross_domain"
    runs = Runs(folder, *((150, names, 60) if quick else (1, names, SAMPLES)))
    return Study(
        "cross_domain",
        {"source": (*DOMAINS, SCRATCH), "target": (*DOMAINS, NEGATIVES), "seed": SEEDS},
        runs.settings(),
        runs.one,
        only=lambda source, target, seed: target != NEGATIVES or source in NEGATIVE_SOURCES,
        before=[
            Part(
                "distances",
                {"seed": SEEDS},
                lambda seed: distances(runs.domains, runs.sources, seed, runs.samples),
            )
        ],
        after=[
            Part(
                "remedies",
                {"source": REMEDY_SOURCES, "remedy": tuple(REMEDIES), "seed": SEEDS},
                lambda source, remedy, seed: runs.one(source, REMEDY_TARGET, seed, remedy),
            ),
            Part("grown", {"start": ("grown", "fresh"), "seed": SEEDS}, runs.grow),
        ],
        smallest={"source": ("digits", SCRATCH, *REMEDY_SOURCES[:1]), "target": (NEGATIVES,)}
        if quick
        else None,
    )


if __name__ == "__main__":
    command_line(make)
