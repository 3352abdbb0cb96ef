"""What readers may answer: a module for each chapter, as there is one for its checks in `tgan_lib.exercises`.

Each has RIGHT (exercise -> the reference first, then other right spellings) and WRONG (exercise -> wrong answers,
each with a phrase of the message that it should get). The mistakes in a check's own tables are tried by the tests
without standing here: WRONG keeps those that are in no table, such as one of each family and each slip of form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Answer = Callable[..., Any]
