"""A few of each class, and two parts that share nothing: even, nested, and without favour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_sets import one_sentence

from tgan_lib.data import Images, few_shot, split


def labelled(labels: list[int] | torch.Tensor | None, n: int | None = None) -> Images:
    """Images whose pixels are their own number."""
    count = n if labels is None else len(labels)
    assert count is not None
    numbers = torch.arange(count)
    pixels = torch.stack([numbers // 256, numbers % 256, numbers * 0, numbers * 0], dim=1)
    names = ("a", "b", "c", "d", "e")
    return Images(
        pixels.byte().view(-1, 1, 2, 2), None if labels is None else torch.as_tensor(labels).long(), names
    )


def numbers_of(images: Images) -> list[int]:
    return (images.data[:, 0, 0, 0].long() * 256 + images.data[:, 0, 0, 1].long()).tolist()


def counts_of(images: Images) -> list[int]:
    assert images.labels is not None
    return images.labels.unique(return_counts=True)[1].tolist()


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 2**31), data=st.data()
)
def test_few_shot_is_even_nested_and_without_repeats(
    labels: list[int], seed: int, data: st.DataObject
) -> None:
    images = labelled(labels)
    more = data.draw(st.integers(1, len(images)))
    fewer = data.draw(st.integers(1, more))
    large, small = few_shot(images, more, seed=seed), few_shot(images, fewer, seed=seed)
    assert len(set(numbers_of(large))) == more
    assert numbers_of(small) == numbers_of(large)[:fewer]
    assert large.labels is not None
    assert [labels[i] for i in numbers_of(large)] == large.labels.tolist()
    # As even as can be: no class could give one more so that another, two or more ahead, gives one less.
    taken = {c: large.labels.tolist().count(c) for c in set(labels)}
    most = max(taken.values())
    assert all(count >= most - 1 or count == labels.count(c) for c, count in taken.items())


def test_few_shot_takes_turns_and_depends_on_the_seed() -> None:
    images = labelled(torch.arange(300) % 3)
    assert sorted(counts_of(few_shot(images, 10, seed=1))) == [3, 3, 4]
    assert counts_of(few_shot(images, 300)) == [100, 100, 100]
    assert counts_of(few_shot(images, per_class=7)) == [7, 7, 7]
    assert numbers_of(few_shot(images, per_class=7)) == numbers_of(few_shot(images, 21))
    ones = [few_shot(images, 1, seed=seed) for seed in range(40)]
    assert {int(one.labels[0]) for one in ones if one.labels is not None} == {0, 1, 2}
    assert len({tuple(numbers_of(few_shot(images, 9, seed=seed))) for seed in range(20)}) == 20
    before = torch.get_rng_state()
    few_shot(images, 10)
    split(images, 0.5)
    assert torch.equal(torch.get_rng_state(), before)


def test_few_shot_picks_without_favour() -> None:
    """Over many seeds each image of a class comes up as often as another: 2 of 10, four standard errors."""
    images = labelled(torch.arange(20) % 2)
    hits = torch.zeros(20)
    for seed in range(1000):
        hits[numbers_of(few_shot(images, 4, seed=seed))] += 1
    assert (hits / 1000 - 0.2).abs().max() < 4 * (0.2 * 0.8 / 1000) ** 0.5


def test_few_shot_of_uneven_and_unlabelled_images() -> None:
    uneven = labelled([0] * 2 + [1] * 50 + [3] * 50)  # class c has none at all
    assert counts_of(few_shot(uneven, 12)) == [2, 5, 5]
    plain = labelled(None, 50)
    assert len(set(numbers_of(few_shot(plain, 10)))) == 10
    assert few_shot(plain, 10).labels is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "n is None and per_class None; exactly one"),
        ({"n": 3, "per_class": 1}, "n is 3 and per_class 1; exactly one"),
        ({"n": 0}, "n is 0; a whole number"),
        ({"n": 10}, "n is 10 and there are 9 images; 1 to 9"),
        ({"per_class": 3}, "per_class is 3 and class 'b' has 2 images; 1 to 2"),
        ({"per_class": 0}, "per_class is 0"),
    ],
)
def test_few_shot_says_what_would_be_right(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        few_shot(labelled([0, 0, 0, 1, 1, 2, 2, 2, 2]), **arguments)  # type: ignore[arg-type]
    one_sentence(caught.value)


def test_per_class_needs_labels_and_choosing_needs_images() -> None:
    with pytest.raises(ValueError, match="per_class needs labels"):
        few_shot(labelled(None, 5), per_class=1)
    nothing = labelled([])
    for choose in (lambda: few_shot(nothing, 1), lambda: few_shot(nothing, per_class=1)):
        with pytest.raises(ValueError, match="there are 0 images; at least 1 of them is needed"):
            choose()


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**31),
)
def test_parts_share_nothing_and_each_class_is_split_alike(
    labels: list[int], share: float, seed: int
) -> None:
    images = labelled(labels)
    size = int(np.floor(share * len(labels) + 0.5))
    if not 0 < size < len(labels):
        with pytest.raises(ValueError, match="leaves a part empty"):
            split(images, share, seed)
        return
    first, second = split(images, share, seed)
    assert sorted(numbers_of(first) + numbers_of(second)) == list(range(len(labels)))
    assert numbers_of(first) == sorted(numbers_of(first))
    assert len(first) == size
    assert first.labels is not None
    for c in set(labels):
        assert abs(first.labels.tolist().count(c) - share * labels.count(c)) <= 1 + 1e-9
    assert numbers_of(split(images, share, seed)[0]) == numbers_of(first)


def test_parts_of_known_sizes() -> None:
    images = labelled(torch.arange(200) % 4)
    training, validation = split(images, 0.9)
    assert counts_of(training) == [45] * 4
    assert counts_of(validation) == [5] * 4
    assert numbers_of(split(images, 0.9, seed=1)[1]) != numbers_of(validation)
    first, second = split(labelled(None, 10), 0.3)
    assert (len(first), len(second), first.labels) == (3, 7, None)
    for share in (0.0, 1.0, -1.0, 0.001):
        with pytest.raises(ValueError, match=r"share is .* a share between 0 and 1") as caught:
            split(images, share)
        one_sentence(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_the_same_images_are_chosen_on_a_gpu() -> None:
    images = labelled(torch.arange(300) % 3)
    assert numbers_of(few_shot(images.to("cuda"), 10)) == numbers_of(few_shot(images, 10))
    assert numbers_of(split(images.to("cuda"), 0.3)[0]) == numbers_of(split(images, 0.3)[0])
