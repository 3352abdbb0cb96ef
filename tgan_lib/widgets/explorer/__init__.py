"""The latent explorer: sliders, random walk, interpolation and a grid of samples for any generator.

    LatentExplorer(gan)

In a live notebook it is a widget (anywidget on ipywidgets). A generator made of layers that the browser's
engine knows, and small enough for it, is drawn in the browser from eight-bit weights; any other is drawn by
the kernel, on its GPU if there is one. The weights are no part of the widget's state: the view asks for them
once by a message, so that a saved notebook stays small. On the book's site the same view runs without a
kernel (see `twin`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from ...device import device_of
from ...errors import check_kind, first_line, shown, whole_number
from ...gan import GAN
from ...latent.directions import closed_form_directions, first_linear
from . import assets
from .export import Unsupported, describe, pack
from .fold import fold_batch_norms
from .twin import seeded_latents, to_bytes, twin_html

__all__ = ["LatentExplorer", "Unsupported", "pack"]

Draw = Callable[[Tensor], Tensor]
Directions = Mapping[str, Tensor] | Tensor
MOST_SEED = 2**32 - 1
MOST_LATENT = 2**16
MOST_SIDE = 12  # of the grid; its cells stay wide enough to touch
STATE = ("name", "image", "latent_dim", "directions", "seed", "rows", "columns", "z", "drawn_by")


class LatentExplorer(anywidget.AnyWidget):
    """An explorer of a generator's latent space.

    `gan`: a GAN (its averaged generator is shown), a generator module, or any callable from latents (N,
    latent_dim) to images (N, C, H, W) in [-1, 1], C 1 or 3; a callable, and a module without a linear layer,
    needs `latent_dim`. `directions`: name -> vector, or rows (k, latent_dim), made unit length here; by
    default the GAN's own, else the closed form's. `seed` and `grid` (rows, columns) fix the samples first
    shown. `name` says which shipped model it is, by default what the GAN's card says; the site can show only
    those without a kernel.

    Attributes kept in step with the view: `z`, the current latent as a list of numbers (assign to it to
    move), and `seed`. `latent()` gives z as a tensor: `gan.sample(z=explorer.latent())`.
    """

    _esm = assets.module()
    _css = assets.style()

    z = traitlets.Any([]).tag(sync=True)  # a list of numbers, and an int: looked at below, in our own words
    seed = traitlets.Any(0).tag(sync=True)
    rows = traitlets.Int().tag(sync=True)
    columns = traitlets.Int().tag(sync=True)
    directions = traitlets.Dict().tag(sync=True)
    image = traitlets.List(traitlets.Int()).tag(sync=True)  # channels, height, width
    latent_dim = traitlets.Int().tag(sync=True)
    drawn_by = traitlets.Unicode("browser").tag(sync=True)  # or "kernel"
    name = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        gan: GAN | nn.Module | Draw,
        directions: Directions | None = None,
        seed: int = 0,
        grid: tuple[int, int] = (4, 4),
        name: str | None = None,
        *,
        latent_dim: int | None = None,
    ) -> None:
        check_grid(grid)
        seed = whole_number("seed", seed, 0, MOST_SEED)
        check_kind("name", name, (str, type(None)), "a shipped model's name or None")
        if latent_dim is not None:
            latent_dim = whole_number("latent_dim", latent_dim, 1, MOST_LATENT)
        self._generator, self._draw, size = resolve(gan, latent_dim)
        first = seeded_latents(1, size, seed)
        try:
            images = self._pictures(first)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"gan is {shown(gan)}, which does not draw from latents of shape {first.shape} ({first_line(error)}); "
                "a generator of images from latents of that length is right"
            ) from error
        card = gan.card if isinstance(gan, GAN) else {}
        super().__init__(
            z=first[0].round(6).astype(float).tolist(),
            seed=seed,
            rows=int(grid[0]),
            columns=int(grid[1]),
            directions=name_directions(directions, gan, self._generator, size),
            image=list(images.shape[1:]),
            latent_dim=size,
            drawn_by="kernel" if why_not_browser(self._generator) else "browser",
            name=name or card.get("name", ""),
        )
        self.on_msg(self._answer)

    def latent(self) -> Tensor:
        """The current latent, (1, latent_dim), as `gan.sample(z=...)` takes it."""
        return torch.tensor([self.z], dtype=torch.float32)

    @traitlets.validate("z")
    def _check_z(self, proposal: Any) -> list[float]:
        z = proposal["value"]
        try:
            numbers = np.asarray(z, float)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"z is {shown(z)}; a list of {self.latent_dim} numbers is right") from error
        if numbers.ndim != 1 or not np.isfinite(numbers).all():
            raise ValueError(f"z is {shown(z)}; a list of {self.latent_dim} finite numbers is right")
        if self.latent_dim and len(numbers) != self.latent_dim:
            raise ValueError(
                f"z has {len(numbers)} numbers; this generator takes {self.latent_dim}, all finite"
            )
        found: list[float] = numbers.tolist()
        return found

    @traitlets.validate("seed")
    def _check_seed(self, proposal: Any) -> int:
        return whole_number("seed", proposal["value"], 0, MOST_SEED)

    def _pictures(self, z: np.ndarray) -> Tensor:
        images = self._draw(torch.from_numpy(z))
        check_kind("what the generator draws", images, Tensor, "a tensor of images (N, 1 or 3, H, W)")
        if images.ndim != 4 or len(images) != len(z) or images.shape[1] not in (1, 3) or 0 in images.shape:
            raise ValueError(
                f"{len(z)} latents became {tuple(images.shape)}; the explorer shows images (N, 1 or 3, H, W)"
            )
        return images.detach()

    def _answer(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        """Answer the view: its weights, or pictures of the latents in the first buffer (float32, one after
        another).
        """
        try:
            if content["kind"] == "weights":
                assert self._generator is not None
                answer = pack(self._generator)
            else:
                z = np.frombuffer(buffers[0], "<f4").reshape(content["n"], self.latent_dim).copy()
                answer = to_bytes(self._pictures(z)).tobytes()
        except Exception as error:  # the reader sees it in the widget, where nothing else would say it
            text = f"the kernel could not draw: {error}"
            self.send({"kind": "error", "id": content.get("id"), "text": text})
        else:
            self.send({"kind": content["kind"], "id": content["id"]}, buffers=[answer])

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**(data or {}), "text/html": self.twin()}, metadata

    def twin(self) -> str:
        """The HTML kept in a stored notebook: a still picture and, of a shipped model, what the site needs to
        move it.
        """
        images = self._pictures(seeded_latents(self.rows * self.columns, self.latent_dim, self.seed))
        sha256 = shipped_hash(self.name, self._generator) if self.drawn_by == "browser" else ""
        state = {key: getattr(self, key) for key in STATE} | {"sha256": sha256} if sha256 else None
        return twin_html(images, self.columns, self.name or "a generator", state)


def resolve(gan: Any, latent_dim: int | None) -> tuple[nn.Module | None, Draw, int]:
    """The module to send to a browser, if there is one; how to draw latents; the size of a latent."""
    if isinstance(gan, GAN):
        return gan.ema, lambda z: gan.sample(z=z), gan.config.latent_dim
    if isinstance(gan, nn.Module):
        return gan, lambda z: draw_with(gan, z), latent_dim or first_linear(gan).in_features
    if not callable(gan):
        raise TypeError(f"gan is {shown(gan)}; an explorer takes a GAN, a generator or a function of z")
    if latent_dim is None:
        raise ValueError(
            "the size of a function's latents is not known; give it, as in LatentExplorer(f, latent_dim=64)"
        )
    return None, gan, latent_dim


@torch.no_grad()
def draw_with(generator: nn.Module, z: Tensor) -> Tensor:
    """Images from a generator in eval mode, its mode put back after."""
    was_training = generator.training
    generator.eval()
    images: Tensor = generator(z.to(device_of(generator)))
    generator.train(was_training)
    return images


def why_not_browser(generator: nn.Module | None) -> str:
    """Why the kernel must draw, in words; empty if the browser can."""
    if generator is None:
        return "it is a function, not layers"
    try:
        describe(fold_batch_norms(generator))
    except Unsupported as reason:
        return str(reason)
    return ""


def shipped_hash(name: str, generator: nn.Module | None) -> str:
    """The hash on the card of the zoo's model of that name, if `generator` draws what it draws; else nothing.

    A shipped model that was trained further keeps its card, and is no longer what the site can draw.
    """
    from ... import zoo

    if generator is None or name not in zoo.names():
        return ""
    shipped = zoo.load(name, device="cpu")
    z = shipped.latents(2, seed=0)
    same = torch.allclose(draw_with(generator, z).float().cpu(), shipped.sample(z=z), atol=1e-2)
    return str(shipped.card["sha256"]) if same else ""


def name_directions(
    given: Directions | None, gan: Any, generator: nn.Module | None, size: int
) -> dict[str, list[float]]:
    """Directions as the view takes them: name -> unit vector, four decimals. None if there is nothing to find
    them in.
    """
    check_kind(
        "directions",
        given,
        (Mapping, Tensor, np.ndarray, list, tuple, type(None)),
        "name -> vector, or rows of one each,",
    )
    found: Any = given if given is not None else getattr(gan, "directions", None)
    if getattr(found, "ndim", 1) == 0:
        raise ValueError(f"directions is {shown(found)}; rows of {size} numbers are right")
    if found is None or len(found) == 0:
        try:
            found = {} if generator is None else closed_form_directions(generator, min(5, size))
        except ValueError:  # no linear layer
            found = {}
    if not isinstance(found, Mapping):
        found = {f"direction {i + 1}": row for i, row in enumerate(found)}
    return {str(name): unit(str(name), vector, size) for name, vector in found.items()}


def unit(name: str, vector: Any, size: int) -> list[float]:
    """A direction made unit length, rounded to four decimals."""
    try:
        row = torch.as_tensor(vector, dtype=torch.float64).cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"direction {name!r} is {shown(vector)}; it should be {size} numbers, not all 0"
        ) from error
    if row.shape != (size,) or not torch.isfinite(row).all() or row.norm() == 0:
        raise ValueError(
            f"direction {name[:40]!r} has shape {tuple(row.shape)}; it should be {size} finite numbers, not all 0"
        )
    numbers: list[float] = (row / row.norm()).numpy().round(4).tolist()
    return numbers


def check_grid(grid: Any) -> None:
    """ValueError unless the grid is two small whole numbers."""
    if not isinstance(grid, (list, tuple)) or len(grid) != 2:
        raise ValueError(f"grid is {shown(grid)}; it should be (rows, columns), each from 1 to {MOST_SIDE}")
    for name, side in zip(("rows", "columns"), grid, strict=True):
        whole_number(f"grid is {shown(grid)}, whose number of {name}", side, 1, MOST_SIDE)
