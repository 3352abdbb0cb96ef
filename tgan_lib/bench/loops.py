"""Three ways to take the same training step: the classic loop, the library's, and the library's written by hand.

All get the same networks, loss, penalty and batch. Each is a generator that takes one step at every `next`.

The classic loop is the shape of the well-known DCGAN tutorials: a DataLoader over PIL images with transforms, a
second pass of G for G's step, gradients of D's weights computed in G's step and thrown away, plain Adam, `.item()`
at every step, no average of G. By hand is what one would write who knows all that `run` does and wants no
library: it shows what the library itself costs.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..data.images import Images
from ..gan import GAN
from ..losses import LOSSES
from ..training.settings import Settings, pick_precision
from ..training.step import Run

RATE, BETAS = 2e-4, (0.5, 0.999)


def r1_of(logits: Tensor, x: Tensor) -> Tensor:
    """R1 as it is written in a script."""
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return 0.5 * gradient.square().sum((1, 2, 3)).mean()


def pil_batches(images: Images, batch_size: int, workers: int) -> Iterator[Tensor]:
    """Batches as torchvision's data sets give them: PIL image, ToTensor, Normalize, collate."""
    from PIL import Image
    from torchvision import transforms

    pictures = [Image.fromarray(x.permute(1, 2, 0).squeeze(2).numpy()) for x in images.data.cpu()]
    channels = images.data.shape[1]
    middle = (0.5,) * channels
    prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize(middle, middle)])

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
    while True:
        yield from loader


def device_batches(images: Images, batch_size: int) -> Iterator[Tensor]:
    """Batches of float images that have been on the device from the start."""
    x = images.batch(range(len(images)))
    while True:
        for part in torch.randperm(len(x), device=x.device).split(batch_size)[:-1]:
            yield x[part]


def classic_loop(
    gan: GAN, batches: Iterator[Tensor], batch_size: int, loss: str, r1: float
) -> Iterator[None]:
    """The tutorial's step on whatever `batches` gives."""
    rule = LOSSES[loss]
    generator, discriminator = gan.generator.train(), gan.discriminator.train()
    g_optimiser = torch.optim.Adam(generator.parameters(), RATE, BETAS)
    d_optimiser = torch.optim.Adam(discriminator.parameters(), RATE, BETAS)
    for batch in batches:
        x = batch.to(gan.device).requires_grad_(r1 > 0)
        fake = generator(torch.randn(batch_size, gan.config.latent_dim, device=gan.device))
        d_optimiser.zero_grad()
        real_logits = discriminator(x)
        d_loss = rule.discriminator(real_logits, discriminator(fake.detach()))
        if r1:
            d_loss = d_loss + r1 * r1_of(real_logits, x)
        d_loss.backward()
        d_optimiser.step()
        g_optimiser.zero_grad()
        fake = generator(torch.randn(batch_size, gan.config.latent_dim, device=gan.device))
        g_loss = rule.generator(discriminator(fake), discriminator(x) if rule.needs_real else None)
        g_loss.backward()
        g_optimiser.step()
        d_loss.item(), g_loss.item()
        yield


def our_run(
    gan: GAN,
    images: Images,
    batch_size: int,
    loss: str,
    r1: float,
    precision: str = "fp32",
    capture: bool = False,
) -> Run:
    """What `train` would run, in full precision as the other two."""
    settings = Settings(
        loss=loss,
        penalties={"r1": r1} if r1 else {},
        batch_size=batch_size,
        learning_rates=(RATE, RATE),
        betas=BETAS,
        precision=pick_precision(precision, gan.device),
    )
    return Run(gan, images, settings, capture=capture)


def our_loop(
    gan: GAN,
    images: Images,
    batch_size: int,
    loss: str,
    r1: float,
    capture: bool = False,
    precision: str = "fp32",
) -> Iterator[None]:
    """The library's step."""
    run = our_run(gan, images, batch_size, loss, r1, precision, capture)
    while True:
        run.one_step()
        yield


def hand_loop(gan: GAN, images: Images, batch_size: int, loss: str, r1: float) -> Iterator[None]:
    """The library's step without the library, in full precision, for the two losses of the benchmark."""
    generator, discriminator, ema = gan.generator.train(), gan.discriminator.train(), gan.ema
    weights: list[Tensor] = list(generator.parameters())
    averages: list[Tensor] = list(ema.parameters())
    d_weights: list[Tensor] = list(discriminator.parameters())
    cuda = gan.device.type == "cuda"
    options = {"betas": BETAS, "fused": True, "capturable": cuda}
    g_optimiser = torch.optim.Adam(weights, RATE, **options)  # type: ignore[arg-type]
    d_optimiser = torch.optim.Adam(d_weights, RATE, **options)  # type: ignore[arg-type]
    paired = loss == "relativistic"
    step = 0
    while True:
        order = torch.randperm(len(images), device=gan.device)
        for i in range(len(order) // batch_size):
            x = images.data[order[i * batch_size : (i + 1) * batch_size]] / 127.5 - 1
            fake = generator(torch.randn(batch_size, gan.config.latent_dim, device=gan.device))
            if r1:
                x.requires_grad_()
                real_logits, fake_logits = discriminator(x), discriminator(fake.detach())
            else:
                both = discriminator(torch.cat([x, fake.detach()]))
                real_logits, fake_logits = both.split(batch_size)
            if paired:
                d_loss = softplus(fake_logits - real_logits).mean()
            else:
                d_loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
            if r1:
                d_loss = d_loss + r1 * r1_of(real_logits, x)
            d_optimiser.zero_grad()
            d_loss.backward(inputs=d_weights)
            d_optimiser.step()
            fake_logits = discriminator(fake)
            if paired:
                with torch.no_grad():
                    real_logits = discriminator(x)
                g_loss = softplus(real_logits - fake_logits).mean()
            else:
                g_loss = softplus(-fake_logits).mean()
            g_optimiser.zero_grad()
            g_loss.backward(inputs=weights)
            g_optimiser.step()
            step += 1
            decay = 0.5 ** (batch_size / min(5000, 0.05 * step * batch_size))
            with torch.no_grad():
                torch._foreach_lerp_(averages, weights, 1 - decay)
                for old, new in zip(ema.buffers(), generator.buffers(), strict=True):
                    old.copy_(new)
            yield
