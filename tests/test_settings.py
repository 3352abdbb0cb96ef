"""Whatever `train` is given by number, name or object: taken, or refused in one sentence before anything changes."""

from __future__ import annotations

from contextlib import suppress
from math import inf, nan
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tgan_lib.data import Images
from tgan_lib.gan import GAN
from tgan_lib.losses import LOSSES, Loss, score_generator
from tgan_lib.training.checkpoint import CheckpointError, load_checkpoint
from tgan_lib.training.settings import Schedule, Settings
from tgan_lib.training.train import train

IMAGES = Images(
    torch.arange(16 * 16 * 16, dtype=torch.int64).view(16, 1, 16, 16).remainder(251).to(torch.uint8)
)
COUNTS = ("penalty_every", "d_steps", "batch_size")
PERIODS = ("metric_every", "samples_every", "averages_every", "log_every", "save_every")
WRONG: dict[str, list[Any]] = {
    **{name: [0, -1, nan, inf, 2.5, 2.0, None, True, "2", [2], np.zeros(2), 10**30] for name in COUNTS},
    **{name: [0, -1, nan, inf, 2.5, False, "2", [2], 10**30] for name in PERIODS},
    "steps": [-1, nan, inf, 2.5, None, True, "2", 10**30],
    "seconds": [-1, nan, inf, "2", True],
    "clip": [0, -0.1, nan, inf, "a", True],
    "learning_rate": [
        0,
        -1e-4,
        nan,
        inf,
        None,
        "fast",
        True,
        (1e-4,),
        (1e-4, -1),
        (0, 0),
        (1e-4, 1e-4, 1e-4),
        [nan, 1],
    ],
    "betas": [0.5, (0.5,), (0.5, 1.0), (-0.1, 0.9), (nan, 0.9), ("a", 0.9), None, (0.5, 0.9, 0.9)],
    "rate_decay": [5, (5,), (5, 5), (9, 5), (-1, 5), (0.5, 2), (nan, 3), "end", True],
    "ema_half_life": [-1, nan, inf, None, "long", True],
    "seed": [-1, nan, 2.5, None, True, "0", 2**70],
    "mirror": [None, 1, "no"],
    "capture": [None, 1, "no"],
    "progress": [None, 2, "no"],
    "penalties": [
        "r1",
        ["r1"],
        {"r1": -1},
        {"r1": nan},
        {"r1": inf},
        {"r1": None},
        {"r3": 1.0},
        {1: 1.0},
        0.1,
    ],
    "penalty_at": ["after", None, 0],
    "precision": ["fp8", None, 16, torch.float16],
    "loss": [
        "hing",
        None,
        3,
        score_generator,
        Loss("hinge", LOSSES["wasserstein"].discriminator, score_generator),
    ],
    "metric": ["distance", 3, [1]],
    "augment": ["color", 3, torch.nn.Identity()],
    "terms": [3, "l2sp", [3], [None], None],
}


def small() -> GAN:
    return GAN.build("dcgan", size=16, latent_dim=4, width=4, device="cpu")


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_what_cannot_train_is_refused_in_one_sentence(name: str, value: Any) -> None:
    gan = small()
    before = {key: tensor.clone() for key, tensor in gan.generator.state_dict().items()}
    with pytest.raises((ValueError, TypeError)) as caught:
        train(gan, IMAGES, **{"steps": 1, "batch_size": 4, "progress": False} | {name: value})
    sentence = str(caught.value)
    assert type(caught.value) in (ValueError, TypeError)
    assert len(sentence) <= 300
    assert "\n" not in sentence
    word = {"terms": "term", "penalties": "penalt|r1|r3", "betas": "beta"}.get(name, name)
    assert any(w in sentence for w in (*word.split("|"), name)), sentence
    assert "right" in sentence or "known:" in sentence or "another name" in sentence, sentence
    assert all(torch.equal(tensor, before[key]) for key, tensor in gan.generator.state_dict().items())


def test_every_argument_with_a_default_is_tried_here() -> None:
    import inspect

    given = set(inspect.signature(train).parameters) - {"gan", "images", "target", "run_dir"}
    assert given == WRONG.keys()


def test_a_target_is_a_number_and_needs_a_metric() -> None:
    for target in (nan, "low", True):
        with pytest.raises(ValueError, match="target is"):
            train(small(), IMAGES, target=target, metric=lambda g: 1.0, steps=1)
    with pytest.raises(ValueError, match=r"target is 2\.0 and nothing is measured; give a metric"):
        train(small(), IMAGES, target=2.0, steps=1)


@pytest.mark.parametrize("given", [None, IMAGES.data, "/tmp", np.zeros((4, 16, 16)), 3, [IMAGES]])
def test_other_things_than_a_gan_and_images_are_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"images is .*; an Images, as load"):
        train(small(), given, steps=1)
    with pytest.raises(TypeError, match=r"gan is .*; a GAN, as GAN\.build"):
        train(given, IMAGES, steps=1)


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="there are no images to train on"):
        train(small(), Images(torch.zeros(0, 1, 16, 16, dtype=torch.uint8)), steps=1)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.floats(), max_size=3),
)


@given(
    name=st.sampled_from(sorted(WRONG.keys() - {"capture", "progress", "metric", "augment", "terms"})),
    value=ANYTHING,
)
@settings(max_examples=400, deadline=None)
def test_settings_take_a_value_or_refuse_it_and_never_crash(name: str, value: Any) -> None:
    field = "learning_rates" if name == "learning_rate" else name
    kind = Settings if field in Settings.__dataclass_fields__ else Schedule
    made: Any = None
    with suppress(ValueError, TypeError):
        made = kind(**{field: value})
    if made is not None:
        assert type(getattr(made, field)) in (int, float, bool, str, tuple, dict, type(None))


def test_numbers_of_numpy_and_tensors_become_plain_and_load_again(tmp_path: Any) -> None:
    numbers = {
        "learning_rate": (np.float32(1e-3), torch.tensor(1e-3)),
        "betas": tuple(np.linspace(0.5, 0.9, 2)),
        "penalties": {"r1": np.float64(0.1)},
        "rate_decay": tuple(np.arange(1, 3)),
        "ema_half_life": np.int64(100),
        "seed": np.uint8(3),
        "d_steps": torch.tensor(2),
        "clip": np.float16(0.5),
    }
    for steps in (1, np.int64(2)):
        train(
            small(), IMAGES, steps=steps, batch_size=np.int32(4), run_dir=tmp_path, progress=False, **numbers
        )
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 2


@pytest.mark.parametrize("name", PERIODS)
def test_a_period_of_none_is_at_the_end_alone(name: str, tmp_path: Any) -> None:
    options: dict[str, Any] = {"metric": lambda g: 1.0, name: None, "run_dir": tmp_path}
    periods = dict.fromkeys(PERIODS, 1) | {name: None}
    history = train(small(), IMAGES, steps=3, batch_size=4, progress=False, **options | periods)
    assert history.steps("distance") == ([3] if name == "metric_every" else [1, 2, 3])
    assert sorted(history.grids) == ([] if name == "samples_every" else [1, 2, 3])
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 3


def test_without_any_period_one_record_is_kept_at_the_end() -> None:
    history = train(small(), IMAGES, steps=3, batch_size=4, progress=False, **dict.fromkeys(PERIODS))
    assert [record["step"] for record in history.records] == [3]


def mine(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    return fake.mean() - real.mean()


def test_a_loss_may_be_given_as_it_is(tmp_path: Any) -> None:
    def go(loss: Any, run_dir: Any = None, steps: int = 2) -> GAN:
        gan = small()
        train(gan, IMAGES, loss=loss, steps=steps, batch_size=4, run_dir=run_dir, progress=False)
        return gan

    own = Loss("my own", mine, score_generator)
    for a, b in ((go("wasserstein"), go(own, tmp_path)), (go("hinge"), go(LOSSES["hinge"]))):
        for x, y in zip(a.generator.parameters(), b.generator.parameters(), strict=True):
            assert torch.equal(x, y)
    assert "my own" not in LOSSES
    go(own, tmp_path, 3)  # goes on
    other = Loss("my own", lambda real, fake: mine(real, fake), score_generator)
    with pytest.raises(CheckpointError, match="loss"):
        go(other, tmp_path, 4)


@pytest.mark.parametrize("wrong", [lambda r, f: f - r, lambda r, f: (f - r).mean().detach()])
def test_a_loss_that_is_no_scalar_of_the_logits_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="a scalar that depends on the logits is right"):
        train(
            small(), IMAGES, loss=Loss("odd", wrong, score_generator), steps=1, batch_size=4, progress=False
        )
