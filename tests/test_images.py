"""Images, their pixels and the order they come in: exact, and a plain sentence for what is no image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_sets import one_sentence

from tgan_lib.data import Images, Sampler, resize, to_channels, to_float, to_uint8


def some_images(n: int = 50, channels: int = 1, size: int = 8) -> Images:
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=rng)
    return Images(pixels, torch.arange(n) % 3, ("a", "b", "c"))


# ---- Images and pixels ----


def test_a_batch_is_exactly_x_over_127_5_minus_1() -> None:
    every_byte = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    batch = Images(every_byte).batch(torch.arange(256))
    assert torch.equal(batch, every_byte.float() / 127.5 - 1)
    assert batch.min() == -1
    assert batch.max() == 1
    assert torch.equal(to_uint8(to_float(every_byte)), every_byte)


def test_batch_and_subset_follow_their_indices() -> None:
    images = some_images()
    chosen = [7, 3, 3]
    assert torch.equal(images.batch(chosen), to_float(images.data[[7, 3, 3]]))
    subset = images.subset(chosen)
    assert len(subset) == 3
    assert subset.labels is not None
    assert subset.labels.tolist() == [1, 0, 0]
    assert torch.equal(subset.data, images.data[[7, 3, 3]])
    assert subset.class_names == images.class_names


def test_mirrored_indices_are_the_images_seen_in_a_mirror() -> None:
    images = some_images(5, channels=3)
    both = images.batch(torch.tensor([2, 5 + 2]), mirror=True)
    assert torch.equal(both[0], to_float(images.data[2]))
    assert torch.equal(both[1], both[0].flip(-1))


def test_batches_go_on_from_a_restored_sampler() -> None:
    images = some_images()
    sampler = Sampler(len(images), 8, seed=3)
    batches = images.batches(8, sampler=sampler)
    for _ in range(9):
        next(batches)
    state = sampler.state_dict()
    after = [next(batches) for _ in range(10)]
    again = Sampler(len(images), 8, seed=99)
    again.load_state_dict(state)
    restored = images.batches(8, sampler=again)
    assert all(torch.equal(a, next(restored)) for a in after)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (torch.zeros(2, 1, 8, 8), "float32"),
        (torch.zeros(2, 2, 8, 8, dtype=torch.uint8), r"\(2, 2, 8, 8\)"),
        (torch.zeros(2, 1, 8, 9, dtype=torch.uint8), r"\(2, 1, 8, 9\)"),
        (torch.zeros(8, 8, dtype=torch.uint8), r"\(8, 8\)"),
    ],
)
def test_images_of_another_form_are_refused(pixels: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Images(pixels)
    one_sentence(caught.value)


def test_to_uint8_refuses_what_is_not_in_range() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 255; floats in \[-1, 1\]"):
        to_uint8(torch.tensor([0.0, 255.0]))
    with pytest.raises(ValueError, match="nan"):
        to_uint8(torch.tensor([0.0, float("nan")]))
    with pytest.raises(ValueError, match="uint8 images; floats"):
        to_uint8(torch.zeros(3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="float32 images; uint8"):
        to_float(torch.zeros(3))
    assert to_uint8(torch.tensor([-1.0005, 1.0005])).tolist() == [0, 255]


def test_grey_and_colour() -> None:
    grey = some_images().data
    colour = to_channels(grey, 3)
    assert colour.shape == (50, 3, 8, 8)
    assert torch.equal(colour[:, 0], colour[:, 2])
    assert torch.equal(to_channels(colour, 1), grey)
    pixels = some_images(20, channels=3).data
    ours = to_channels(pixels, 1)[:, 0].numpy().astype(int)
    pillow = [np.asarray(Image.fromarray(p.permute(1, 2, 0).numpy()).convert("L")) for p in pixels]
    assert np.abs(ours - np.stack(pillow)).max() <= 1
    with pytest.raises(ValueError, match="channels is 4; 1"):
        to_channels(pixels, 4)


@pytest.mark.parametrize("size", [7, 28, 33, 64])
def test_resizing_keeps_constant_images_and_means(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgan_lib.data.pixels.CHUNK", 3)  # several chunks, the last one partial
    constant = torch.arange(0, 256, 51, dtype=torch.uint8).view(-1, 1, 1, 1).repeat(1, 3, 28, 28)
    assert torch.equal(resize(constant, size), constant[..., :1, :1].expand(-1, -1, size, size))
    smooth = (torch.linspace(0, 250, 28).expand(4, 1, 28, 28)).byte()
    assert resize(smooth, size).float().mean() == pytest.approx(smooth.float().mean().item(), abs=1)


def test_resizing_down_is_antialiased() -> None:
    """A pixel of the small image is a mean of sixteen or more, so noise shrinks to a quarter or less."""
    noise = some_images(4, size=64).data
    assert resize(noise, 16).float().std() < 0.27 * noise.float().std()


# ---- Sampler ----


def test_a_restored_sampler_gives_the_same_next_50_batches(tmp_path: Path) -> None:
    sampler = Sampler(1000, 64, seed=1)
    for _ in range(37):  # in the middle of the third epoch
        sampler.next()
    torch.save(sampler.state_dict(), tmp_path / "state.pt")
    after = [sampler.next() for _ in range(50)]
    again = Sampler(1000, 64, seed=2)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert all(torch.equal(a, again.next()) for a in after)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 70), batch_size=st.integers(1, 90), seed=st.integers(0, 2**31), steps=st.integers(0, 25)
)
def test_every_epoch_covers_and_every_state_restores(n: int, batch_size: int, seed: int, steps: int) -> None:
    sampler = Sampler(n, batch_size, seed=seed)
    per_epoch = max(1, n // batch_size)
    for _ in range(3):
        epoch = torch.cat([sampler.next() for _ in range(per_epoch)])
        counts = epoch.bincount(minlength=n)
        assert len(counts) == n
        assert counts.max() - counts.min() <= 1
        if n >= batch_size:
            assert counts.max() == 1
            assert counts.sum() == n - n % batch_size
    for _ in range(steps):
        sampler.next()
    state = sampler.state_dict()
    after = [sampler.next() for _ in range(2 * per_epoch + 1)]
    again = Sampler(n, batch_size, seed=seed + 1)
    again.load_state_dict(state)
    assert all(torch.equal(a, again.next()) for a in after)


def test_sampler_seeds_differ_and_leave_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = Sampler(100, 100, seed=0), Sampler(100, 100, seed=0), Sampler(100, 100, seed=1)
    first = a.next()
    assert torch.equal(first, b.next())
    assert not torch.equal(first, c.next())
    assert not torch.equal(first, a.next())
    assert torch.equal(before, torch.get_rng_state())


def test_a_sampler_refuses_a_state_that_is_not_its_own() -> None:
    state = Sampler(100, 10).state_dict()
    with pytest.raises(ValueError, match="has n 100, this one 90"):
        Sampler(90, 10).load_state_dict(state)
    with pytest.raises(ValueError, match="has batch_size 10, this one 20"):
        Sampler(100, 20).load_state_dict(state)
    with pytest.raises(ValueError, match="n is 0"):
        Sampler(0, 10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_batches_on_a_gpu_equal_those_of_the_cpu_and_wait_for_nothing() -> None:
    images = some_images(200, channels=3)
    on_gpu = images.to("cuda")
    here, there = Sampler(400, 16, seed=4), Sampler(400, 16, seed=4, device="cuda")
    on_gpu.batch(there.next(), mirror=True)
    images.batch(here.next(), mirror=True)
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = [on_gpu.batch(there.next(), mirror=True) for _ in range(60)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for batch in batches:
        assert torch.equal(batch.cpu(), images.batch(here.next(), mirror=True))
