"""How fast the loop is, beside the loop most of us learnt: `make bench`, or `python -m tgan_lib.bench`.

The classic loop is the shape of the well-known DCGAN tutorials: a DataLoader over PIL images with transforms,
gradients of D's weights computed in G's step and thrown away, plain Adam, `.item()` every step, and no average
of G. Ours is what `train` runs. Both get the same networks, batches and images (drawn ones, so that anyone can
run it), in one process, in turns, after a warm-up. What is reported is the median over rounds and their range;
only the ratio means anything on another machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .data import Images, load
from .gan import GAN
from .losses import LOSSES
from .machine import device_in_words
from .training import Run, pick_precision


def classic_loop(gan: GAN, images: Images, batch_size: int, workers: int) -> Iterator[None]:
    """One step at each `next`, in the manner described above."""
    from PIL import Image
    from torchvision import transforms

    pictures = [Image.fromarray(x[0].numpy()) for x in images.data.cpu()]
    prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])

    class Pictures(torch.utils.data.Dataset[Tensor]):
        def __len__(self) -> int:
            return len(pictures)

        def __getitem__(self, index: int) -> Tensor:
            image: Tensor = prepare(pictures[index])
            return image

    loader = torch.utils.data.DataLoader(
        Pictures(),
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    loss = LOSSES["non_saturating"]
    generator, discriminator = gan.generator, gan.discriminator
    g_optimiser = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    d_optimiser = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    while True:
        for batch in loader:
            x = batch.to(gan.device)
            fake = generator(torch.randn(batch_size, gan.config.latent_dim, device=gan.device))
            d_optimiser.zero_grad()
            d_loss = loss.discriminator(discriminator(x), discriminator(fake.detach()))
            d_loss.backward()
            d_optimiser.step()
            g_optimiser.zero_grad()
            g_loss = loss.generator(discriminator(fake))
            g_loss.backward()
            g_optimiser.step()
            d_loss.item(), g_loss.item()
            yield


def our_loop(gan: GAN, images: Images, batch_size: int) -> Iterator[None]:
    """One step of `train` at each `next`."""
    run = Run(
        gan,
        images,
        {
            "loss": "non_saturating",
            "batch_size": batch_size,
            "learning_rates": [2e-4, 2e-4],
            "betas": [0.5, 0.999],
            "ema_half_life": 5000.0,
            "precision": pick_precision("auto", gan.device),
            "seed": 0,
            "images": len(images),
        },
    )
    while True:
        run.one_step()
        yield


def time_steps(loop: Iterator[None], steps: int, device: torch.device) -> float:
    """Seconds for one step, over `steps` of them."""
    started = time.perf_counter()
    for _ in range(steps):
        next(loop)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description="tgan_lib's loop beside the classic one.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="steps in a round")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2, help="the classic loop's loading processes")
    arguments = parser.parse_args()
    print(
        f"{device_in_words()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, Python {platform.python_version()}; "
        f"batch {arguments.batch_size}, {arguments.rounds} rounds of {arguments.steps} steps"
    )
    for network, size in (("mlp", 28), ("dcgan", 28), ("dcgan", 32)):
        images = load("glyphs:digits", size=size, limit=4000)
        makers: dict[str, Callable[[GAN], Iterator[None]]] = {
            "classic": lambda gan, x=images: classic_loop(gan, x, arguments.batch_size, arguments.workers),  # type: ignore[misc]
            "tgan_lib": lambda gan, x=images: our_loop(gan, x, arguments.batch_size),  # type: ignore[misc]
        }
        gans = {name: GAN.build(network, size=size, width=64) for name in makers}
        loops = {name: make(gans[name]) for name, make in makers.items()}
        times: dict[str, list[float]] = {name: [] for name in makers}
        for round_ in range(arguments.rounds + 1):
            for name, loop in loops.items():
                taken = time_steps(loop, arguments.steps, gans[name].device)
                if round_:  # the first round warms up
                    times[name].append(1000 * taken)
        median = {name: statistics.median(t) for name, t in times.items()}
        spread = {
            name: f"{m:.1f} ms ({min(times[name]):.1f} to {max(times[name]):.1f})"
            for name, m in median.items()
        }
        print(
            f"{network}-{size}: classic {spread['classic']}, tgan_lib {spread['tgan_lib']}: "
            f"{median['classic'] / median['tgan_lib']:.2f} times as fast"
        )
        print(json.dumps({"network": network, "size": size, "milliseconds": times}))


if __name__ == "__main__":
    main()
