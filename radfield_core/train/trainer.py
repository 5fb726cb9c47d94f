"""Training: the loop, read from top to bottom.

A step is: `begin_step` (children first) → `refresh` → background color and pixels → micro-batches → optimizer →
`method.after_step` → ray count. Its randomness comes from the step, so a resumed run goes on bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TypeVar

import torch
from torch import nn

from radfield_core.config.run import TrainerConfig
from radfield_core.errors import Diverged, StorageError
from radfield_core.interfaces import BuildContext, Method, Model
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.runs import checkpoint
from radfield_core.runs.folder import RunFolder
from radfield_core.runtime import randomness
from radfield_core.runtime.interrupts import Canceled, Interrupts
from radfield_core.runtime.memory import with_smaller_chunks
from radfield_core.train.batches import PixelDrawer, save_batch
from radfield_core.train.counters import Counters
from radfield_core.train.log import TrainingLog
from radfield_core.train.spikes import WINDOW, SpikeWatch
from radfield_core.train.step import StepLosses, TrainStep, backward
from radfield_core.types import Batch, Step

MAX_ROLLBACKS = 3
T = TypeVar("T")


class Trainer:
    """Trains a method's model on the pixels of a drawer. `state` is all that a checkpoint keeps; `restore` sets it."""

    def __init__(
        self,
        config: TrainerConfig,
        method: Method,
        context: BuildContext,
        drawer: PixelDrawer,
        folder: RunFolder,
        log: TrainingLog,
        evaluation: QuickEvaluation | None = None,
        samples_per_ray: float = 1.0,
    ):
        self.config, self.method, self.drawer, self.folder, self.log = config, method, drawer, folder, log
        self._context, self._evaluation = context, evaluation
        self._saved_step: int | None = None
        self._save_due = False
        self._interrupts = Interrupts()
        self._start = Counters(n_rays=config.n_rays, samples_per_ray=samples_per_ray)
        self._build(replace(self._start))

    def _build(self, counters: Counters) -> None:
        """A fresh model and optimizer, both decided by the seed."""
        self.counters = counters
        randomness.seed_everything(self.seed)
        self.model = self.method.build(self._context).to(self.drawer.device).train()
        self.train_step = TrainStep(self.model, self.method)
        groups = self.method.param_groups(self.model)
        self.optimizer = self.method.optimizer(groups)
        self._base_rates = [float(group["lr"]) for group in groups]
        self._parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self._spikes = SpikeWatch()
        self._spike: float | None = None

    @property
    def seed(self) -> int:
        """The seed of everything random; another one after each time that training went back."""
        return self.config.seed + 1_000_003 * self.counters.rollbacks

    @property
    def rate_factor(self) -> float:
        """Factor on all learning rates: halved each time that training went back."""
        return float(0.5**self.counters.rollbacks)

    # The loop

    def train(self) -> str:
        """Train to the end and save. Returns why it ended: "max_steps", "max_seconds" or the name of a signal.

        Raises Diverged after too many steps without a finite loss, StorageError if the end could not be saved.
        """
        first = self.counters.step
        with self._interrupts, self.log:
            while (reason := self._ended()) is None:
                started, worked = time.perf_counter(), time.process_time()
                step = Step(self.counters.step, self.config.max_steps, self.seed)
                losses = self._take(step)
                self.counters.seconds += time.perf_counter() - started
                self.counters.cpu_seconds += time.process_time() - worked
                self.counters.step += 1
                if losses is None:
                    self._skip(step)
                else:
                    self.counters.bad_in_a_row = 0
                    self.log.step(
                        self.counters, losses, float(self.optimizer.param_groups[0]["lr"]), self.model.part_scalars
                    )
                    self._show_spike()
                self._housekeeping()
            self._save_the_end()  # first: whatever stops the evaluation must not cost the training
            if self.counters.step > first and reason in ("max_steps", "max_seconds"):
                self.evaluate()
        return reason if self._interrupts.received is None else self._interrupts.received.name

    def _take(self, step: Step) -> StepLosses | None:
        """One optimizer step; None, with nothing changed, if the loss or a gradient is not finite."""
        self.model.begin_step(step)
        self.model.refresh(step)
        batch = self.drawer.draw(step, round(self.counters.n_rays))
        losses = self._backward(batch, step)
        finite = self._update(losses, step)
        self.optimizer.zero_grad(set_to_none=True)
        if not finite:
            return None
        self.method.after_step(self.model, self.optimizer, step)
        self._adapt_ray_count(batch, losses.n_samples)
        return losses

    def _update(self, losses: StepLosses, step: Step) -> bool:
        """Optimizer step at the step's learning rates, unless something is not finite: Adam never forgets a NaN."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        total = losses.total
        numbers = torch.stack([norm.to(total), total]).tolist()  # the step's only wait for the device
        if not all(map(math.isfinite, numbers)):
            return False
        self._spike = self._spikes.add(numbers[1])
        if self.config.clip_grad_norm is not None:
            nn.utils.clip_grads_with_norm_(self._parameters, self.config.clip_grad_norm, norm)
        for group, rate in zip(self.optimizer.param_groups, self._base_rates, strict=True):
            group["lr"] = rate * self.method.lr_scale(step, group["name"]) * self.rate_factor
        self.optimizer.step()
        return True

    # Micro-batches and ray count

    def _backward(self, batch: Batch, step: Step) -> StepLosses:
        """Gradients of the whole batch, from micro-batches where it is too large for one."""
        if batch.rays is None:
            return backward(self.train_step, batch, step)
        n = len(batch.rays)
        chunk = n
        if self.config.samples_per_chunk is not None:
            chunk = int(self.config.samples_per_chunk / max(self.counters.samples_per_ray, 1.0))
        chunk = max(1, min(chunk, n, self.counters.chunk_rays or n))
        attempts = 0

        def attempt(chunk: int) -> StepLosses:
            nonlocal attempts
            if attempts:  # draws the same random numbers again
                self.optimizer.zero_grad(set_to_none=True)
                self.model.begin_step(step)
            attempts += 1
            return backward(self.train_step, batch, step, chunk)

        losses, fitted = with_smaller_chunks(attempt, chunk)
        if fitted < chunk:
            self.counters.chunk_rays = fitted
            self.log.say(f"out of memory: going on with micro-batches of {fitted} rays, which changes no gradient")
        return losses

    def _adapt_ray_count(self, batch: Batch, n_samples: int) -> None:
        """Let the number of rays follow the samples that rays really have, so that steps stay equally long."""
        if batch.rays is None:
            return
        counters, target = self.counters, self.config.target_samples
        counters.samples_per_ray = n_samples / len(batch.rays)
        if target is not None:
            wanted = counters.n_rays * target / max(n_samples, 1)
            counters.n_rays = min(max(0.9 * counters.n_rays + 0.1 * wanted, 1.0), float(self.config.max_rays))

    # What happens between steps

    def _ended(self) -> str | None:
        if self._interrupts.received is not None:
            return self._interrupts.received.name
        if self.counters.step >= self.config.max_steps:
            return "max_steps"
        if self.config.max_seconds is not None and self.counters.seconds >= self.config.max_seconds:
            return "max_seconds"
        return None

    def _housekeeping(self) -> None:
        step = self.counters.step
        self._save_due |= step % self.config.save_every == 0
        if self._save_due and not self.counters.bad_in_a_row:  # what follows from a good step is worth going back to
            self._save_due = False
            self.save()
        if self.config.eval_every is not None and step % self.config.eval_every == 0 and self._ended() is None:
            self.evaluate()

    def evaluate(self) -> None:
        """Evaluate a few views and log the result, unless a signal asks the run to end."""
        evaluation = self._evaluation
        if evaluation is None:
            return
        report = self.log.evaluating(self.counters, evaluation.split)
        metrics = self._aside("evaluation", lambda model: evaluation(model, report))
        if metrics is not None:
            self.log.evaluated(self.counters, evaluation.split, metrics)

    def _show_spike(self) -> None:
        """If the loss jumped in the last step, say so and keep pictures of what the model shows now."""
        if self._spike is None:
            return
        step, folder, evaluation = self.counters.step, self.folder.path / "spikes", self._evaluation
        self.log.say(f"warning: step {step}: the loss is {self._spike:.0f} times the median of the {WINDOW} before")
        if evaluation is None:
            return
        try:
            self._aside("picture", lambda model: evaluation.show(model, folder, f"step-{step:09d}"))
        except OSError as error:
            self.log.say(f"warning: {folder}: {error.strerror}; there is no picture of it")

    def _aside(self, what: str, look: Callable[[Model], T]) -> T | None:
        """Look at the model, changing nothing that training depends on and not counted as training time.

        None if a signal asks the run to end, before or meanwhile.
        """
        if self._interrupts.received is not None:
            return None
        self.model.eval()
        try:
            with randomness.undisturbed(), self._interrupts.breakable():
                return look(self.model)
        except Canceled:
            self.log.say(f"the {what} is broken off")
            return None
        finally:
            self.model.train()

    def _save_the_end(self) -> None:
        if bad := self.counters.bad_in_a_row:
            self.log.say(f"warning: the last {bad} steps had no finite loss and gradient, and changed nothing")
        if self._saved_step != self.counters.step and not self.save():
            raise StorageError(
                f"the state after {self.counters.step} steps could not be saved", path=str(self.folder.checkpoints),
                hint="make room on the disk, then radfield train --resume",
            )  # fmt: skip

    # Divergence

    def _skip(self, step: Step) -> None:
        """Count a step without finite loss and gradient; after many in a row go back to the last good checkpoint."""
        counters = self.counters
        counters.skipped += 1
        counters.bad_in_a_row += 1
        if counters.bad_in_a_row < self.config.max_bad_steps:
            return
        if counters.rollbacks >= MAX_ROLLBACKS:
            path = self.folder.path / "diverged-batch.safetensors"
            save_batch(self.drawer.draw(step, round(self.counters.n_rays)), path)
            raise Diverged(
                f"no finite loss in {counters.bad_in_a_row} steps in a row, after going back {MAX_ROLLBACKS} times",
                path=str(path), hint="a smaller learning rate, or trainer.clip_grad_norm=1",
            )  # fmt: skip
        self._roll_back()

    def _roll_back(self) -> None:
        """The last checkpoint from after a good step, or the start, with half the learning rate and another seed."""
        before = self.counters
        state, path, _ = checkpoint.newest(
            self.folder.checkpoints, lambda state: not state.progress["counters"]["bad_in_a_row"]
        )
        if state is None:
            self._build(replace(self._start))
        else:
            self.restore(state)
        counters = self.counters
        counters.rollbacks, counters.skipped = before.rollbacks + 1, before.skipped
        counters.seconds, counters.cpu_seconds, counters.bad_in_a_row = before.seconds, before.cpu_seconds, 0
        randomness.seed_everything(self.seed)
        self._saved_step = None
        checkpoint.set_aside(self.folder.checkpoints, counters.step)
        self.log.resume(counters)
        self.log.say(
            f"no finite loss in {before.bad_in_a_row} steps in a row: back to {path.name if path else 'the start'}, "
            f"learning rates × {self.rate_factor:g}, another seed"
        )

    # Checkpoints

    def state(self) -> checkpoint.State:
        """All that the run needs to go on."""
        generators, numbers = randomness.state()
        return checkpoint.State(
            self.counters.step, self.model.state_dict(), self.optimizer.state_dict(), generators,
            {"counters": asdict(self.counters), "generators": numbers, "machine": self.machine()},
        )  # fmt: skip

    def machine(self) -> dict[str, str | int]:
        """What a resumed run must share with the run before to be the same bit for bit."""
        return {"device": self.drawer.device.type, "threads": torch.get_num_threads()}

    def restore(self, state: checkpoint.State) -> None:
        """Go on from a state. Raises StorageError if it does not fit the model."""
        try:
            self.model.load_state_dict(dict(state.model), strict=True)
            self.optimizer.load_state_dict(state.optimizer)
            self.counters = Counters(**state.progress["counters"])
            randomness.restore(state.generators, state.progress["generators"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            text = " ".join(str(error).split())
            raise StorageError(
                f"the checkpoint does not fit this run: {text:.300}", path=str(self.folder.path),
                hint="the options that it was saved with, and the versions of plugins in its plugins.json",
            ) from error  # fmt: skip
        self._saved_step = self.counters.step

    def save(self) -> bool:
        """Save a checkpoint. If that fails the run goes on: older ones are intact, and the next save tries again."""
        try:
            checkpoint.save(self.folder.checkpoints, self.state(), self.config.keep_checkpoints)
        except (OSError, checkpoint.CorruptCheckpoint) as error:
            self.log.say(
                f"warning: step {self.counters.step} could not be saved ({error}); older checkpoints are intact"
            )
            return False
        self._saved_step = self.counters.step
        return True
