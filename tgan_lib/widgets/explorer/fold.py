"""Batch norms folded into the layers before them: the same generator, with fewer steps.

In eval mode a batch norm is y = s x + b with constants per channel, and the layer before it is affine, so
that the two are one layer (Jacob et al., 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 3.2).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

Affine = nn.Linear | nn.Conv2d | nn.ConvTranspose2d  # the layers that a batch norm can be folded into


class Unsupported(ValueError):  # noqa: N818  (it is an answer, "not in the browser", more than a fault)
    """The browser's engine cannot run this generator; the message says why."""


def plain_layers(generator: nn.Module) -> list[nn.Module]:
    """The layers that a generator runs one after the other; Unsupported if it is no such chain."""
    chain = generator if isinstance(generator, nn.Sequential) else getattr(generator, "net", None)
    if not isinstance(chain, nn.Sequential):
        raise Unsupported(f"{type(generator).__name__} is no nn.Sequential and has none in .net")
    layers: list[nn.Module] = []
    for module in chain:
        layers += plain_layers(module) if isinstance(module, nn.Sequential) else [module]
    return layers


@torch.no_grad()
def fold_batch_norms(generator: nn.Module) -> nn.Sequential:
    """The same map as `generator` in eval mode, (N, latent_dim) -> images, with no batch norm; float32 on the
    CPU.

    Unsupported if a batch norm does not follow a linear or convolutional layer directly, or if the
    generator's forward does something that its chain of layers does not.
    """
    folded: list[nn.Module] = []
    before: Affine | None = None  # the affine layer that a batch norm may still be folded into
    for layer in plain_layers(generator):
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            if before is None or layer.running_mean is None:
                raise Unsupported("a batch norm does not follow a linear or convolutional layer directly")
            scale_and_shift(before, layer)
        elif isinstance(layer, Affine):
            before = bare_copy(layer)
            folded.append(before)
        elif isinstance(layer, (nn.Dropout, nn.Dropout2d, nn.Identity)):
            continue  # nothing happens there in eval mode
        else:
            folded.append(copy.deepcopy(layer).cpu())
            before = before if isinstance(layer, nn.Unflatten) else None
    net = nn.Sequential(*folded).eval().requires_grad_(False)
    check_same(generator, net)
    return net


def bare_copy(layer: Affine) -> Affine:
    """A float32 copy on the CPU that has a bias and none of the original's hooks or parametrisations."""
    if isinstance(layer, nn.Linear):
        plain: Affine = nn.Linear(layer.in_features, layer.out_features)
    else:
        if layer.groups != 1 or layer.dilation != (1, 1) or not isinstance(layer.padding, tuple):
            raise Unsupported(f"{type(layer).__name__} with groups, dilation or named padding")
        if layer.padding_mode != "zeros":
            raise Unsupported(f"{type(layer).__name__} with padding mode {layer.padding_mode!r}")
        options: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding}
        if isinstance(layer, nn.ConvTranspose2d):
            options["output_padding"] = layer.output_padding
        kind = nn.ConvTranspose2d if isinstance(layer, nn.ConvTranspose2d) else nn.Conv2d
        plain = kind(layer.in_channels, layer.out_channels, layer.kernel_size, **options)  # type: ignore
    plain.weight.copy_(layer.weight)
    assert plain.bias is not None
    plain.bias.copy_(torch.zeros_like(plain.bias) if layer.bias is None else layer.bias)
    return plain


def scale_and_shift(layer: Affine, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """Put a batch norm's eval-mode scale and shift into the layer before it, in place."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert layer.bias is not None
    mean, var = norm.running_mean.double().cpu(), norm.running_var.double().cpu()
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight.double().cpu()
    beta = torch.zeros_like(mean) if norm.bias is None else norm.bias.double().cpu()
    scale = gamma / torch.sqrt(var + norm.eps)
    shift = beta - mean * scale
    # After a reshape, one channel is many units of the linear layer, side by side.
    units = layer.bias.numel() // scale.numel()
    scale, shift = scale.repeat_interleave(units), shift.repeat_interleave(units)
    outputs = 1 if isinstance(layer, nn.ConvTranspose2d) else 0  # which axis of the weights is the output's
    shape = [-1 if axis == outputs else 1 for axis in range(layer.weight.ndim)]
    layer.weight.copy_(layer.weight.double() * scale.view(shape))
    layer.bias.copy_(layer.bias.double() * scale + shift)


def check_same(generator: nn.Module, net: nn.Sequential) -> None:
    """Unsupported unless both give the same pictures: a forward may do more than its chain."""
    first = net[0] if len(net) else net
    if not isinstance(first, nn.Linear):
        raise Unsupported(f"the first layer is {type(first).__name__}, not a linear layer of z")
    z = torch.linspace(-2, 2, 3 * first.in_features).view(3, first.in_features).sin()
    device = next(generator.parameters()).device
    was_training = generator.training
    try:
        expected = generator.eval()(z.to(device)).float().cpu()
        same = expected.shape == (got := net(z)).shape and torch.allclose(got, expected, atol=1e-3)
    except RuntimeError as error:
        raise Unsupported(
            f"{type(generator).__name__} does not run as a chain of its layers: {error}"
        ) from error
    finally:
        generator.train(was_training)
    if not same:
        raise Unsupported(f"{type(generator).__name__} does more in forward than its chain of layers")
