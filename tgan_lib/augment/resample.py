"""Bilinear sampling whose gradient can be differentiated again, as R1 before an augmentation needs it.

What is sampled depends on the images linearly, so the gradient is the transposed map and the gradient of that the map
itself: two functions, each the other's derivative. PyTorch's `grid_sample` has the first gradient alone (Karras et
al. 2021, "Alias-Free Generative Adversarial Networks", close the gap the same way in their code).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


class Resample(torch.autograd.Function):
    """Images (N, C, H, W) at `grid` (N, h, w, 2): `grid_sample` with a border, differentiable in the images alone."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.sides = images.shape
        return grid_sample(images, grid, padding_mode="border", align_corners=False)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return Spread.apply(slopes, grid, ctx.sides), None


class Spread(torch.autograd.Function):
    """The transpose of `Resample`: what lay at `grid` is given to the pixels that it was read from."""

    @staticmethod
    def forward(ctx: Any, slopes: Tensor, grid: Tensor, sides: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = slopes.new_zeros(sides)  # their values do not matter
        bilinear, border = 0, 1
        found: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            slopes, images, grid, bilinear, border, False, [True, False]
        )[0]
        return found

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return Resample.apply(slopes, grid), None, None
