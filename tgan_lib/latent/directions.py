"""Moving about in latent space: interpolation, truncation, and directions that mean something.

Three ways to a direction. The closed form (Shen and Zhou, 2021, "Closed-Form Factorization of Latent Semantics
in GANs", CVPR) needs no picture: the unit vectors n that the first layer stretches most, max |W n|, are the
leading eigenvectors of W^T W. Principal components (Härkönen, Hertzmann, Lehtinen and Paris, 2020, "GANSpace:
Discovering Interpretable GAN Controls", NeurIPS) ask any layer in which directions its output varies most over
samples, and which way in z leads along them. The last way starts from a property that can be measured in a picture
(how much ink, how slanted) and asks which way in z it grows, by linear regression of the property on z.

Shapes: a latent batch is (N, latent_dim); a direction is a unit vector (latent_dim,); images are (N, C, H, W)
in [-1, 1], where -1 is background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..data.images import Images, tensor_of
from ..device import evaluating
from ..errors import (
    check_function,
    check_kind,
    check_tensor,
    real_number,
    seed_number,
    shown,
    true_or_false,
    whole_number,
)
from ..features.taps import taps
from ..gan import GAN
from ..inputs import MOST_IMAGES, as_floats
from ..transfer.adapters import Miner


def lerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """The straight line from `a` to `b`, both (latent_dim,), at `t` in [0, 1]: (latent_dim,), or (T,
    latent_dim) for `t` of shape (T,). Halfway, its points are shorter than samples of N(0, I) are: see
    `slerp`."""
    same_shape(a, b)
    t = _steps(t, a)
    return (1 - t) * a + t * b


def _steps(t: float | Tensor, a: Tensor) -> Tensor:
    """`t` as a column in the type of `a`: (1,), or (T, 1) for (T,). ValueError unless it is finite."""
    if not isinstance(t, Tensor):
        t = torch.tensor(real_number("t", t))
    if t.ndim > 1 or t.is_complex() or t.dtype == torch.bool or not torch.isfinite(t).all():
        raise ValueError(
            f"t has shape {tuple(t.shape)}; a number or finite numbers (T,), from 0 to 1, are right"
        )
    return t.to(a).unsqueeze(-1)


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """The arc from `a` to `b`, both (latent_dim,), at `t` in [0, 1]: shapes as in `lerp`.

    Samples of N(0, I) in many dimensions all have nearly the same length; the arc keeps to it, the straight
    line cuts inside (White, 2016, "Sampling Generative Networks"). Along one line, where no arc is defined,
    it is `lerp`.
    """
    same_shape(a, b)
    b = b.to(a.dtype)
    lengths = a.norm() * b.norm()
    angle = torch.arccos(torch.clamp(a @ b / lengths, -1, 1))
    if lengths < 1e-12 or torch.sin(angle) < 1e-4:
        return lerp(a, b, t)
    t = _steps(t, a)
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def same_shape(a: Tensor, b: Tensor) -> None:
    """ValueError unless both ends are single latents of one size, finite floats."""
    for name, end in (("a", a), ("b", b)):
        check_tensor(name, end, finite=True)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(
            f"the ends have shapes {tuple(a.shape)} and {tuple(b.shape)}; both should be (latent_dim,)"
        )


def truncate(z: Tensor, amount: float, centre: Tensor | None = None) -> Tensor:
    """`z` (N, latent_dim) pulled towards `centre` (default 0): `amount` 1 leaves it, 0 gives the centre.

    A smaller amount trades variety for typical samples (Karras et al., 2019, section B, do so in StyleGAN's
    w).
    """
    amount = real_number("truncation", amount, 0)
    check_tensor("z", z, ("N", "latent_dim"))
    if centre is not None:
        check_tensor("centre", centre)
        if centre.shape not in ((z.shape[1],), (1, z.shape[1]), z.shape):
            raise ValueError(f"centre has shape {tuple(centre.shape)}; ({z.shape[1]},) is right")
    middle = torch.zeros_like(z[:1]) if centre is None else centre.to(z)
    return middle + amount * (z - middle)


def first_linear(generator: nn.Module) -> nn.Linear:
    """The linear layer where latents enter a generator, behind a miner if there is one; ValueError without one."""
    check_kind("generator", generator, nn.Module, "a generator")
    before = _before(generator)
    skipped = set() if before is None else set(before.modules())
    for module in generator.modules():
        if isinstance(module, nn.Linear) and module not in skipped:
            return module
    raise ValueError(f"{type(generator).__name__} has no linear layer, where its latents would enter")


def _before(generator: nn.Module) -> nn.Module | None:
    """The miner before a generator (`transfer.miner`), the identity and more in (N, latent_dim); None without one."""
    net = getattr(generator, "net", None)
    first = net[0] if isinstance(net, nn.Sequential) and len(net) else None
    return first if isinstance(first, Miner) else None


@torch.no_grad()
def closed_form_directions(generator: nn.Module, k: int = 5) -> Tensor:
    """The `k` directions that the generator's first linear layer stretches most: unit rows (k, latent_dim).

    Leading eigenvectors of W^T W (Shen and Zhou, 2021, equation 6), largest first. An eigenvector has no sign of its
    own: ours has its largest entry positive, so that a direction is the same on every machine. The authors' code
    departs from their equation where we do not: it first scales each unit's weights (a row of W) to length 1, so
    that every unit counts alike. Behind a miner m, W is that of z -> W m(z) at z = 0, so that a miner that changes
    nothing changes no direction.
    """
    weight = first_linear(generator).weight.detach().double().cpu()  # (units, inputs)
    before = _before(generator)
    if before is not None:
        middle = torch.zeros(weight.shape[1]).to(next(before.parameters()))
        with evaluating(before), torch.enable_grad():
            slopes = torch.autograd.functional.jacobian(lambda z: before(z[None])[0], middle)
        weight = weight @ slopes.double().cpu()
    if not torch.isfinite(weight).all():
        raise ValueError("the first linear layer's weights hold NaN or infinity; finite ones have directions")
    k = check_count(k, weight.shape[1])
    vectors = torch.linalg.eigh(weight.T @ weight).eigenvectors.T.flip(0)[:k]  # eigh: smallest first
    return with_sign(vectors).float()


def check_count(k: int, latent_dim: int) -> int:
    """`k`; ValueError unless so many directions can be had in so many dimensions."""
    if (k := whole_number("k", k)) > latent_dim:
        raise ValueError(f"{k} directions were asked for; this generator has between 1 and {latent_dim}")
    return k


def _check_regression(gan: GAN, n: int, seed: int) -> None:
    """ValueError unless `n` samples are enough to regress on the GAN's latents, and not too many to hold."""
    check_kind("gan", gan, GAN, "a GAN")
    seed_number(seed)
    least = 2 * gan.config.latent_dim + 1
    if whole_number("n", n, 1, MOST_IMAGES) < least:
        raise ValueError(f"n is {n}; a regression on {gan.config.latent_dim} numbers needs at least {least}")


def with_sign(vectors: Tensor) -> Tensor:
    """Rows (k, d), each with the sign that makes its largest entry positive."""
    return vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()


@torch.no_grad()
def pca_directions(gan: GAN, n: int = 4000, k: int = 5, layer: str | None = None, seed: int = 0) -> Tensor:
    """The `k` ways through z along which a layer's output varies most: unit rows (k, latent_dim), on the CPU.

    Härkönen et al. (2020, section 2.2): the outputs y of `n` samples z have principal components V; with
    coordinates x = V^T (y - mean), the directions are the columns of the U that minimises sum |U x - z|^2, here
    scaled to length 1, with signs as in `closed_form_directions`.

    layer: a name as in `features.taps`, such as "net.3", of the averaged generator; by default the first linear
    layer, where the answer is that of the closed form up to the error of sampling. A layer behind a norm and an
    activation, or deeper, answers otherwise. n outputs of the layer are held in memory at once, as float32.
    """
    _check_regression(gan, n, seed)
    k = check_count(k, gan.config.latent_dim)
    if layer is None:
        first = first_linear(gan.ema)
        layer = next(name for name, module in gan.ema.named_modules() if module is first)
    z, outputs = gan.latents(n, seed), []
    with evaluating(gan.ema), taps(gan.ema, [layer]) as found:
        for part in z.split(500):
            gan.ema(part)
            outputs.append(found[layer].flatten(1).float())
    y = torch.cat(outputs)
    if k > y.shape[1]:
        raise ValueError(f"{k} directions were asked for; the layer {layer!r} has {y.shape[1]} outputs")
    if not torch.isfinite(y).all():
        raise ValueError(f"the layer {layer!r} gives NaN or infinity; finite outputs have directions")
    y -= y.mean(0)
    with torch.random.fork_rng(devices=[y.device] if y.is_cuda else []):  # pca_lowrank draws its own numbers
        torch.manual_seed(seed)
        components = torch.pca_lowrank(y, min(k + 20, *y.shape), center=False, niter=4)[2][:, :k]
    x = y @ components  # (n, k), with mean 0, so the mean of z plays no part in the regression
    directions = torch.linalg.lstsq(x.double().cpu(), z.double().cpu()).solution
    return with_sign(directions / directions.norm(dim=1, keepdim=True)).float()


def attributes(images: Images | Tensor) -> dict[str, Tensor]:
    """Properties of pictures of bright strokes on a dark ground: name -> (N,).

    images: `Images`, or (N, C, H, W), floats in [-1, 1] or uint8.

    From the moments of the ink (0 for background, 1 for white). "stroke weight": the mean ink. "slant": the
    shear of the strokes, in pixels across per pixel up, positive when they lean to the right. "width" and
    "height": the standard deviation of the ink across and down, in pixels; the width is taken after the slant
    is undone.
    """
    ink = ((as_floats(tensor_of(images)) + 1) / 2).mean(1)  # (N, H, W)
    x = torch.arange(ink.shape[2], device=ink.device, dtype=ink.dtype)
    y = -torch.arange(ink.shape[1], device=ink.device, dtype=ink.dtype)[:, None]  # up is positive
    total = ink.sum((1, 2)).clamp_min(1e-6)

    def mean(values: Tensor) -> Tensor:
        return (ink * values).sum((1, 2)) / total

    dx = x - mean(x)[:, None, None]
    dy = y - mean(y)[:, None, None]
    across, down, both = mean(dx * dx), mean(dy * dy).clamp_min(1e-6), mean(dx * dy)
    return {
        "stroke weight": ink.mean((1, 2)),
        "slant": both / down,
        "width": (across - both**2 / down).clamp_min(0).sqrt(),
        "height": down.sqrt(),
    }


@torch.no_grad()
def attribute_directions(
    gan: GAN,
    n: int = 4000,
    seed: int = 0,
    *,
    separate: bool = True,
    measure: Callable[[Tensor], dict[str, Tensor]] = attributes,
) -> dict[str, Tensor]:
    """Directions along which measurable properties grow: name -> unit vector (latent_dim,), on the CPU.

    Each property of `n` samples is regressed on z (least squares, with an intercept), after scaling to unit
    variance. The regression's gradients overlap: heavier strokes are wider, too. With `separate=True` each
    direction moves its own property and, to first order, leaves the others alone (the rows of the gradients'
    pseudo-inverse); with False it is the gradient itself. `measure` takes images to name -> (n,).
    """
    _check_regression(gan, n, seed)
    separate = true_or_false("separate", separate)
    z = gan.latents(n, seed)
    measured = _measured(measure, gan.sample(z=z))
    values = torch.stack(list(measured.values()), 1).double().cpu()  # (n, properties)
    spread = values.std(0)
    if (spread < 1e-9).any():
        flat = [name for name, s in zip(measured, spread, strict=True) if s < 1e-9]
        raise ValueError(f"{', '.join(flat)} is the same in all {n} samples, so no direction moves it")
    values = (values - values.mean(0)) / spread
    z = torch.cat([z.double().cpu(), torch.ones(n, 1, dtype=torch.float64)], 1)
    gradients = torch.linalg.lstsq(z, values).solution[:-1].T  # (properties, latent_dim)
    directions = torch.linalg.pinv(gradients).T if separate else gradients
    directions = directions / directions.norm(dim=1, keepdim=True)
    return {name: direction.float() for name, direction in zip(measured, directions, strict=True)}


def _measured(measure: Callable[[Tensor], dict[str, Tensor]], images: Tensor) -> dict[str, Tensor]:
    """What `measure` says of images (n, C, H, W): name -> (n,), finite. An error in a sentence for anything else."""
    check_function("measure", measure, "a function from images to name -> numbers")
    measured, n = measure(images), len(images)
    if not isinstance(measured, dict) or not measured:
        raise ValueError(f"measure gave {shown(measured)}; a dictionary of name -> ({n},) is right")
    for name, value in measured.items():
        check_tensor(name, value, (n,), finite=True)
    return measured


@torch.no_grad()
def effects(
    gan: GAN,
    directions: Mapping[str, Tensor],
    measure: Callable[[Tensor], dict[str, Tensor]],
    reach: float = 3.0,
    n: int = 500,
    seed: int = 1,
) -> dict[str, dict[str, tuple[float, float]]]:
    """What each direction moves: direction -> property -> its share at -`reach` and at +`reach`.

    A property's share is that of `n` samples whose number is above 0, as with `portrait_scores`. A direction that
    does what its name says moves its own property's share far and the others' little. `directions`: name -> vector
    (latent_dim,), as `attribute_directions` gives them; take another `seed` than they were found with.
    """
    check_kind("gan", gan, GAN, "a GAN")
    check_kind("directions", directions, Mapping, "name -> vector (latent_dim,)")
    reach = real_number("reach", reach, above=0)
    z = gan.latents(whole_number("n", n, 1, MOST_IMAGES), seed_number(seed))
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name, direction in directions.items():
        check_tensor(f"direction {name!r}", direction, (gan.config.latent_dim,), finite=True)
        low, high = (
            {key: float((value > 0).double().mean()) for key, value in _measured(measure, images).items()}
            for images in (gan.sample(z=z + side * reach * direction.to(z)) for side in (-1, 1))
        )
        found[name] = {key: (low[key], high[key]) for key in low}
    return found
