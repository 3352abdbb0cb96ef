"""A generator made small enough for a web page: batch norms folded, weights in eight bits, packed to bytes.

Each output channel's weights are whole numbers from -127 to 127 times a scale of its own (Jacob et al., 2018,
symmetric and for weights alone). Where that moves a pixel too far, a layer gets four more bits a weight: the
rounding's remainder in sixteenths; first the layer that gains most by each byte. A layer whose extra bits would make
the whole heavier than MOST_BYTES goes without them.

The bytes, read by `engine.js`: b"TGX1", the header's length (uint32, little endian), the header (JSON, padded
with blanks), then arrays that each start at a multiple of 4 after the header.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...latent.directions import first_linear
from .fold import Affine, Unsupported, fold_batch_norms

# WebAssembly's SIMD does about 10 G multiply-adds a second, plain JavaScript 1.5 G: a frame of 16 ms for the one, of
# some 20 ms for the other.
MOST_MULTIPLY_ADDS = 30_000_000
# A layer this small stays in float32: it costs nothing, and the last one writes the pixels.
SMALL_LAYER = 4096
MOST_BYTES = 1_200_000
# The largest error of a pixel, on [-1, 1], that eight bits alone may make on the probe latents.
TOLERANCE = 0.02
PROBES = 128


@dataclass
class Quantised:
    """Weights (in, out, taps): whole steps of `scale` (out,), and the sixteenth of a step if kept."""

    whole: np.ndarray  # int8
    scale: np.ndarray  # float32
    sixteenths: np.ndarray | None  # uint8, 0 to 15

    def weight(self) -> Tensor:
        steps = self.whole.astype(np.float32)
        if self.sixteenths is not None:
            steps += (self.sixteenths.astype(np.float32) - 7.5) / 16  # the middle of its sixteenth
        return torch.from_numpy(steps * self.scale[None, :, None])


def quantise(weight: Tensor, fine: bool = False) -> Quantised:
    """Round (in, out, taps) to eight bits with a scale per output channel; `fine` keeps four bits of the
    remainder.
    """
    scale = weight.abs().amax((0, 2)).clamp_min(1e-12) / 127
    steps = weight / scale[None, :, None]
    whole = torch.round(steps)
    rest = torch.floor((steps - whole + 0.5) * 16).clamp(0, 15).to(torch.uint8).numpy() if fine else None
    return Quantised(whole.to(torch.int8).numpy(), scale.numpy().astype("<f4"), rest)


def rows(layer: Affine) -> Tensor:
    """A layer's weights as (in, out, taps): what one number of the input adds to, side by side."""
    weight = layer.weight.detach()
    if not isinstance(layer, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)  # torch keeps these two output first
    return weight.reshape(*weight.shape[:2], -1).contiguous()


def set_weight(layer: Affine, weight: Tensor) -> None:
    """Give a layer the weights (in, out, taps)."""
    if not isinstance(layer, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)
    layer.weight.copy_(weight.reshape(layer.weight.shape))


@torch.no_grad()
def choose_fine(net: nn.Sequential, latent_dim: int) -> set[int]:
    """Which layers of a folded net, by index, get the four extra bits: as many as it takes to stay within TOLERANCE,
    those left out for which MOST_BYTES has no room.
    """
    z = torch.randn(PROBES, latent_dim, generator=torch.Generator().manual_seed(0))
    expected, rounded = net(z), copy.deepcopy(net)
    affine = {i: layer for i, layer in enumerate(rounded) if isinstance(layer, Affine)}
    exact = {i: rows(layer).clone() for i, layer in affine.items() if layer.weight.numel() > SMALL_LAYER}
    gain = {}
    for index, weight in exact.items():  # what each layer's rounding does alone, by byte
        set_weight(affine[index], quantise(weight).weight())
        gain[index] = float((rounded(z) - expected).square().mean()) / weight.numel()
        set_weight(affine[index], weight)
    for index, weight in exact.items():
        set_weight(affine[index], quantise(weight).weight())
    room, chosen = MOST_BYTES - least_bytes(list(affine.values())), set[int]()
    for index in sorted(exact, key=lambda i: -gain[i]):
        more = (exact[index].numel() + 1) // 2
        if more > room:
            continue
        if (rounded(z) - expected).abs().max() <= TOLERANCE:
            break
        chosen.add(index)
        room -= more
        set_weight(affine[index], quantise(exact[index], fine=True).weight())
    return chosen


def least_bytes(layers: list[Affine]) -> int:
    """What layers weigh in bytes without extra bits: weights, biases, scales, and 200 each for the header."""
    each = [(layer.weight.numel(), rows(layer).shape[1]) for layer in layers]
    return sum((n + 8 * out if n > SMALL_LAYER else 4 * (n + out)) + 200 for n, out in each)


@dataclass
class Packer:
    """Collects arrays, each at a multiple of 4 bytes, and remembers where they lie."""

    parts: list[bytes] = field(default_factory=list)
    length: int = 0

    def add(self, array: np.ndarray) -> int:
        """Store an array and return its offset in bytes."""
        offset, raw = self.length, array.tobytes()
        raw += b"\0" * (-len(raw) % 4)
        self.parts.append(raw)
        self.length += len(raw)
        return offset


def pack_affine(layer: Affine, fine: bool, packer: Packer) -> dict[str, Any]:
    """Store a layer's weights and say where they lie."""
    assert layer.bias is not None
    weight = rows(layer)
    entry: dict[str, Any] = {"bias": packer.add(layer.bias.detach().numpy().astype("<f4"))}
    if weight.numel() <= SMALL_LAYER:
        return entry | {"weight": packer.add(weight.numpy().astype("<f4"))}
    small = quantise(weight, fine)
    entry |= {"int8": packer.add(small.whole), "scale": packer.add(small.scale)}
    if small.sixteenths is not None:
        half = np.append(small.sixteenths.ravel(), [0] * (weight.numel() % 2)).astype(np.uint8)
        entry["sixteenths"] = packer.add(half[0::2] | half[1::2] << 4)
    return entry


def describe(net: nn.Sequential) -> tuple[list[dict[str, Any]], list[int], int]:
    """What the engine must do for a folded net: a step for each layer, the picture's (C, H, W),
    multiply-adds.

    Unsupported, saying why, if it cannot.
    """
    steps: list[dict[str, Any]] = []
    images, cost = torch.zeros(1, first_linear(net).in_features), 0
    for index, layer in enumerate(net):
        shape = list(images.shape[1:])
        images = layer(images)
        step: dict[str, Any] = {"index": index, "in": shape, "out": list(images.shape[1:])}
        if isinstance(layer, nn.Unflatten):
            continue  # the numbers stay as they lie
        if isinstance(layer, nn.Linear) and len(shape) == 1:
            step["op"] = "linear"
            cost += layer.weight.numel()
        elif isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            step["op"] = "conv" if isinstance(layer, nn.Conv2d) else "conv_transpose"
            step |= {"kernel": layer.kernel_size, "stride": layer.stride, "padding": layer.padding}
            pixels = shape[
                1:
            ]  # the engine multiplies once for each input pixel, whichever way the layer goes
            cost += layer.weight.numel() * pixels[0] * pixels[1]
        elif isinstance(layer, (nn.ReLU, nn.LeakyReLU)):
            step |= {"op": "leaky", "slope": getattr(layer, "negative_slope", 0.0)}
        elif isinstance(layer, nn.Tanh):
            step["op"] = "tanh"
        else:
            raise Unsupported(f"the engine has no {type(layer).__name__} of {shape}")
        steps.append(step)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise Unsupported(f"it makes {tuple(images.shape)}, not pictures of 1 or 3 channels")
    if cost > MOST_MULTIPLY_ADDS:
        raise Unsupported(f"{cost / 1e6:.0f} million multiply-adds a picture are too slow for a web page")
    return steps, list(images.shape[1:]), cost


def pack(generator: nn.Module) -> bytes:
    """The bytes from which a browser draws what `generator` (N, latent_dim) -> (N, C, H, W) draws in eval
    mode.

    Layers known: Linear, Unflatten, Conv2d, ConvTranspose2d, batch norm behind one of these, ReLU, LeakyReLU,
    Tanh, and whatever does nothing in eval mode. Unsupported, saying why, for any other, for pictures of
    other than 1 or 3 channels, and above 30 million multiply-adds a picture.
    """
    net = fold_batch_norms(generator)
    steps, image, cost = describe(net)
    fine, packer = choose_fine(net, steps[0]["in"][0]), Packer()
    for step in steps:
        index = step.pop("index")
        layer = net[index]
        if isinstance(layer, Affine):
            step |= pack_affine(layer, index in fine, packer)
    header = {"latent_dim": steps[0]["in"][0], "image": image, "multiply_adds": cost, "layers": steps}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return b"TGX1" + len(text).to_bytes(4, "little") + text + b"".join(packer.parts)
