"""Pixels from one form to another: bytes and floats, grey and colour, large and small; pure functions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import check_kind, whole_number

MOST_SIDE = 4096  # pixels, of an image that is resized
CHUNK = 1024  # images converted at a time, so that the floats in between stay small


def to_float(images: Tensor) -> Tensor:
    """uint8 images to floats in [-1, 1]: x / 127.5 - 1."""
    check_kind("images", images, Tensor, "a uint8 tensor")
    if images.dtype != torch.uint8:
        raise ValueError(f"to_float was given {images.dtype} images; uint8 in 0 to 255 is right")
    return images.float().div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """Float images in [-1, 1] to uint8 in 0 to 255, the nearest value. ValueError outside the range."""
    check_kind("images", images, Tensor, "a tensor of floats in [-1, 1]")
    if not images.is_floating_point():
        raise ValueError(f"to_uint8 was given {images.dtype} images; floats in [-1, 1] are right")
    images = images.detach().float()
    if images.numel():
        low, high = torch.stack(images.aminmax()).tolist()
        if not (low >= -1.001 and high <= 1.001):  # written so that NaN fails too
            raise ValueError(f"images run from {low:g} to {high:g}; floats in [-1, 1] are right")
    return ((images + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)


def to_channels(images: Tensor, channels: int) -> Tensor:
    """uint8 images (N, C, H, W) as grey (1) or colour (3); grey is the luma of ITU-R BT.601, as in Pillow."""
    if whole_number("channels", channels) not in (1, 3):
        raise ValueError(f"channels is {channels}; 1 (grey) or 3 (colour) is right")
    _check_bytes(images)
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.repeat(1, 3, 1, 1)
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device).view(1, 3, 1, 1)
    return torch.cat([(part * weights).sum(1, keepdim=True).round_().byte() for part in images.split(CHUNK)])


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 images (N, C, H, H) at size x size, bicubic and antialiased, rounded to the nearest value."""
    size = whole_number("size", size, 1, MOST_SIDE)
    _check_bytes(images)
    if images.shape[2] != images.shape[3]:
        raise ValueError(f"images have shape {tuple(images.shape)}; (N, 1 or 3, H, H) is right")
    if images.shape[-1] == size:
        return images
    out = torch.empty(*images.shape[:2], size, size, dtype=torch.uint8, device=images.device)
    for some, result in zip(images.split(CHUNK), out.split(CHUNK), strict=True):
        floats = interpolate(some.float(), (size, size), mode="bicubic", antialias=True, align_corners=False)
        result.copy_(floats.round_().clamp_(0, 255))
    return out


def _check_bytes(images: Tensor) -> None:
    """ValueError unless `images` are uint8 (N, 1 or 3, H, W); floats would be rounded and cut without a word."""
    check_kind("images", images, Tensor, "a uint8 tensor (N, 1 or 3, H, W)")
    shape = tuple(images.shape)
    if images.dtype != torch.uint8 or len(shape) != 4 or shape[1] not in (1, 3) or not all(shape[2:]):
        raise ValueError(f"images are {images.dtype} of shape {shape}; uint8 (N, 1 or 3, H, W) is right")
