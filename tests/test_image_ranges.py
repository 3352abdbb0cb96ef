"""Images of the right kind and range, or a sentence that says what was seen and how it becomes right."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_sets import one_sentence
from torch import Tensor

from tgan_lib import GAN, latent, metrics
from tgan_lib.data import Images, few_shot, load, split, to_uint8
from tgan_lib.data.images import check_images, tensor_of
from tgan_lib.features import DigitNet, extract
from tgan_lib.inputs import image_batch
from tgan_lib.metrics import probes


@functools.cache
def digits() -> Images:
    return load("glyphs:digits", size=28, limit=40, device="cpu")


@functools.cache
def gan() -> GAN:
    return GAN.build("dcgan", size=28, latent_dim=4, width=4, device="cpu")


@functools.cache
def distance() -> metrics.Distance:
    return metrics.Distance(digits(), n=12)


STRICT: list[Callable[[Tensor], Any]] = [
    lambda images: distance().of_images(images),
    metrics.speckle,
    latent.attributes,
    lambda images: extract(DigitNet().eval(), images),
]
LOOSE: list[Callable[[Tensor], Any]] = [
    lambda images: metrics.judge(gan(), images),
    lambda images: probes.discriminator_features(gan(), images),
    lambda images: latent.invert(gan(), images, steps=1),
]


def test_only_what_is_certainly_right_is_measured() -> None:
    images = digits().data
    right = distance().of_images(images)
    assert distance().of_images(digits()) == right
    for same in (images / 127.5 - 1, images.double() / 127.5 - 1, (images / 127.5 - 1).half()):
        assert distance().of_images(same) == pytest.approx(right, abs=0.5)
    for wrong, message in {
        "images run from 0 to 255": images.float(),
        "images run from 0 to 1, none below 0, as if scaled to": images / 255,
        "images run from -127.5 to 127.5; floats in": images - 127.5,
        "images are torch.int64; uint8": images.long(),
        "images are torch.bool; uint8": images > 0,
        "images have shape (40, 28, 28); ": images[:, 0],
        "images have shape (40, 28, 28, 1); ": images.permute(0, 2, 3, 1),
        "images hold NaN or infinity": (images / 127.5 - 1).where(images > 0, torch.tensor(math.nan)),
    }.items():
        for measure in STRICT:
            with pytest.raises(ValueError, match=re.escape(wrong)) as caught:
                measure(message)
            assert one_sentence(caught.value).startswith(wrong)
        if "-127.5" in wrong:  # what a generator without a tanh may give
            continue
        for measure in LOOSE:
            with pytest.raises(ValueError, match=re.escape(wrong.split(";")[0])) as caught:
                measure(message)


def test_a_constant_picture_and_rounding_are_no_other_range() -> None:
    for fine in (torch.zeros(2, 3, 4, 4), torch.ones(1, 1, 4, 4), torch.tensor([[[[-1.0005, 1.0005]]]])):
        assert image_batch(fine) is fine
    beyond = torch.tensor([[[[-3.0, 2.0]]]])
    with pytest.raises(ValueError, match="from -3 to 2"):
        image_batch(beyond)
    assert image_batch(beyond, floats="loose") is beyond
    for scaled in (torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[3.0, 250.0]]]])):
        for floats in ("strict", "loose"):
            with pytest.raises(ValueError, match=r"\[-1, 1\]"):
                image_batch(scaled, floats=floats)  # type: ignore[arg-type]
        assert image_batch(scaled, floats="any") is scaled


def test_samples_of_a_generator_without_a_tanh_are_measured() -> None:
    for output in ("linear", "sigmoid"):
        made = GAN.build("dcgan", size=28, latent_dim=4, width=4, output=output, device="cpu")
        assert distance()(made) > 0
        assert distance().report(made, k=2)["n"] == 12


@settings(deadline=None, max_examples=60)
@given(low=st.floats(-300, 300), high=st.floats(-300, 300))
def test_a_range_is_right_or_its_ends_are_said(low: float, high: float) -> None:
    images = torch.tensor([low, high, (low + high) / 2, low]).view(1, 1, 2, 2)
    least, most = float(images.min()), float(images.max())
    if least >= -1.001 and most <= 1.001 and not 0 <= least < most:
        assert image_batch(images) is images
        return
    with pytest.raises(ValueError, match=re.escape(f"from {least:g} to {most:g}")):
        image_batch(images)


# ---- Images as people have them ----


class Folder(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """A data set of torch, as torchvision's are: pixels under `data`."""

    def __init__(self) -> None:
        self.data = digits().data[:, 0]

    def __len__(self) -> int:
        return len(self.data)


@pytest.mark.parametrize(
    "given",
    [lambda: digits().data, Folder, lambda: "photos", lambda: None, lambda: np.zeros((4, 28, 28), np.uint8)],
)
def test_what_is_no_images_is_told_how_to_become_it(given: Callable[[], Any]) -> None:
    for call in (
        check_images,
        metrics.Distance,
        lambda images: few_shot(images, 2),
        lambda images: split(images, 0.5),
    ):
        with pytest.raises(TypeError, match=r"an Images, as load.* gives one") as caught:
            call(given())
        one_sentence(caught.value)
    empty = digits().subset([])
    assert len(empty) == 0
    with pytest.raises(ValueError, match="there are 0 images; at least 1 of them is needed"):
        check_images(empty)
    assert tensor_of(digits()) is digits().data


@pytest.mark.parametrize(
    ("data", "convert"),
    [
        (digits().data[:, 0], lambda data: data[:, None]),
        (digits().data.permute(0, 2, 3, 1), lambda data: data.permute(0, 3, 1, 2)),
        (digits().data / 255, lambda data: (255 * data).round().byte()),
        (digits().data.float(), lambda data: data.round().byte()),
        (digits().data / 127.5 - 1, lambda data: to_uint8(data)),
    ],
)
def test_the_sentence_says_how_a_tensor_becomes_images(
    data: Tensor, convert: Callable[[Tensor], Tensor]
) -> None:
    with pytest.raises(ValueError, match=r"uint8 \(N, 1 or 3, size, size\) is right") as caught:
        Images(data)
    code = one_sentence(caught.value).rpartition(": ")[2].split(" of ")[0]
    assert torch.equal(eval(code, {"data": data, "to_uint8": to_uint8}), digits().data)
    assert torch.equal(Images(convert(data)).data, digits().data)
