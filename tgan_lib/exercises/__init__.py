"""The exercises' checks: `check("discriminator_loss", my_function)` says at once whether the answer is right.

A check knows closed forms, so it needs no training, no data and under two seconds; and when an answer is
wrong it names the misconception where it can. Each chapter's checks live in a file of their own.
"""

from __future__ import annotations

from . import (
    augmentation,
    clinic,
    cross_domain,
    face_off,
    freezing,
    image_gans,
    loss_atlas,
    measuring,
    pretrained_discriminators,
    remembering,
    saturation,
    small_updates,
    source_to_target,
    stability,
    transfer_basics,
    two_player_game,
)
from .core import Check, CheckResult, judge

CHAPTERS = (
    two_player_game,
    saturation,
    image_gans,
    loss_atlas,
    stability,
    measuring,
    clinic,
    transfer_basics,
    source_to_target,
    cross_domain,
    pretrained_discriminators,
    freezing,
    small_updates,
    remembering,
    augmentation,
    face_off,
)
CHECKS: dict[str, Check] = {name: judged for chapter in CHAPTERS for name, judged in chapter.CHECKS.items()}


def check(exercise: str, answer: object) -> CheckResult:
    """Judge one answer, show the verdict, and return it.

    Args:
        exercise: the exercise's name, as it stands in the chapter.
        answer: what the reader wrote, usually a function, no brackets: `check("update_ema", update_ema)`.

    Returns:
        A result with `exercise`, `passed` and `message`; it is true where the answer passed.

    Raises:
        ValueError: there is no such exercise. A wrong answer raises nothing, so that "Run all" goes on.
    """
    result = judge(CHECKS, exercise, answer)
    result.show()
    return result


__all__ = ["CHECKS", "CheckResult", "check", "judge"]
