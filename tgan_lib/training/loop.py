"""What watches over a run: a clock, a record, a folder, a progress bar, the user's Ctrl-C, the memory there is."""

from __future__ import annotations

import copy
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from ..data.pixels import to_uint8
from ..gan import GAN
from .checkpoint import CheckpointError, check_finite, save_checkpoint
from .history import History, Record
from .step import SCALARS, Run

Metric = Callable[[GAN], float]


@contextmanager
def finish_step_on_interrupt() -> Iterator[threading.Event]:
    """Inside, Ctrl-C (or a notebook's stop button) sets the event instead of cutting a step in half."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop
        return
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class Loop:
    """A run with what watches over it: a clock, a record, a folder, a bar."""

    def __init__(
        self, run: Run, history: History, folder: Path | None, metric: Metric | None, progress: bool
    ) -> None:
        self.run, self.history, self.folder, self.metric = run, history, folder, metric
        self.bar = tqdm(disable=True)
        self.progress = progress and run.world.rank == 0
        self.unread: list[Tensor] = []  # the scalars of the steps since the last record, on the device

    def go(
        self,
        steps: int,
        seconds: float | None,
        metric_every: int,
        samples_every: int | None,
        log_every: int,
        save_every: int,
        target: float | None,
    ) -> None:
        """Steps until `steps`, `seconds`, a distance of `target`, or an interrupt."""
        run, world = self.run, self.run.world
        limit = float("inf") if seconds is None else seconds
        total = steps if seconds is None else None
        self.bar = tqdm(
            total=total,
            initial=run.step,
            disable=not self.progress,
            unit="step",
            mininterval=1.0,
            leave=False,
        )
        periods = [metric_every, log_every, save_every, *([samples_every] if samples_every else [])]
        started = time.perf_counter() - run.seconds
        over, stopped = run.step >= steps or run.seconds >= limit, False
        with self.bar, finish_step_on_interrupt() as stop:
            while not over:
                self.unread.append(self.one_step())
                self.bar.update()
                run.seconds = time.perf_counter() - started
                done = run.step >= steps
                # One process stops at once. Several ask each other where they look, since asking waits for devices.
                hurried = world.size == 1 and (run.seconds >= limit or stop.is_set())
                if not (done or hurried or any(run.step % period == 0 for period in periods)):
                    continue
                if run.gan.device.type == "cuda":  # the clock must not run ahead of the card
                    torch.cuda.synchronize()
                    run.seconds = time.perf_counter() - started
                at_end = world.any(done or run.seconds >= limit)
                measure = at_end or run.step % metric_every == 0
                keep = at_end or run.step % save_every == 0
                self.record(measure)
                if samples_every and (at_end or run.step % samples_every == 0):
                    self.history.grids[run.step] = to_uint8(run.gan.sample(64, seed=run.settings.seed)).cpu()
                there = target is not None and measure and self.history.last("distance") <= target
                if keep or there:
                    self.save()
                # Asked last, since it may come while something is measured.
                stopped = world.any(stop.is_set())
                over = at_end or there or stopped
                started = time.perf_counter() - run.seconds  # what measuring and saving took is not training
        if stopped:
            self.save()
            kept = (
                f"it is saved in {self.folder}, and the same call goes on from there"
                if self.folder
                else "the GAN in memory has it"
            )
            world.say(f"Stopped after step {run.step}; {kept}.")

    def one_step(self) -> Tensor:
        """A step of the run. MemoryError, naming a batch that fits, where there is too little memory."""
        try:
            return self.run.one_step()
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        size = self.run.settings.batch_size
        fits = batch_that_fits(self.run)
        advice = (
            f"batch_size={fits} fits" if fits else "not even one image at a time fits; use a smaller network"
        )
        raise MemoryError(f"{self.run.gan.device} has too little memory for batch_size={size}; {advice}")

    def record(self, with_metric: bool) -> None:
        """Read the unread scalars, write down the last, and stop where one is not a number."""
        run = self.run
        values = torch.stack(self.unread)
        self.unread.clear()
        run.world.average([values])
        values = values.double().cpu()
        bad = (~torch.isfinite(values)).any(1).nonzero()
        if len(bad):
            step = run.step - len(values) + 1 + int(bad[0])
            names = [n for n, v in zip(SCALARS, values[bad[0, 0]], strict=True) if not torch.isfinite(v)]
            raise FloatingPointError(
                f"{' and '.join(names)} stopped being a finite number at step {step}; "
                "a lower learning rate is the first thing to try"
            )
        row: Record = {"step": run.step, "images": run.step * run.settings.batch_size * run.settings.d_steps}
        row |= {"seconds": round(run.seconds, 3)}
        row |= dict(zip(SCALARS, values[-1].tolist(), strict=True))
        if not run.settings.penalties:
            del row["penalty"]
        if run.augment is not None:
            row |= run.augment.readings()
        if self.metric is not None and with_metric:
            row["distance"] = self.metric(run.gan)
            self.bar.set_postfix(distance=f"{row['distance']:.1f}")
        self.history.records.append(row)

    def save(self) -> None:
        """Write the checkpoint, unless a weight is no longer a number."""
        if self.folder is None:
            return
        state = self.run.state_dict(self.history)  # every process takes part in gathering it
        check_finite(state["networks"])
        if self.run.world.rank == 0:
            save_checkpoint(self.folder / "checkpoint.pt", state)
            self.write_history()

    def write_history(self) -> None:
        """Write history.jsonl, which holds nothing that the checkpoint does not; CheckpointError if that fails."""
        if self.folder is None or self.run.world.rank > 0:
            return
        try:
            self.history.write(self.folder / "history.jsonl")
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint is saved, but history.jsonl could not be written ({error.strerror or error}); "
                "the next save will try again"
            ) from error


def out_of_memory(error: RuntimeError) -> bool:
    """Whether this is a device's or the system's refusal of memory."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)


def batch_that_fits(run: Run) -> int | None:
    """The largest of B/2, B/4, ... at which one step of a copy of this run has memory enough."""
    size = run.settings.batch_size
    while size > run.world.size:
        size //= 2
        for optimiser in (run.g_optimiser, run.d_optimiser):
            optimiser.zero_grad()
        if run.gan.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            trial = copy.deepcopy(run.gan)
            augment, terms = copy.deepcopy((run.augment, run.terms))
            Run(trial, run.images, replace(run.settings, batch_size=size), augment, terms).one_step()
            return size
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
    return None
