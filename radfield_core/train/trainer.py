"""The training loop.

A step is: `begin_step` (children first) → `refresh` → background color and pixels → micro-batches → optimizer →
`adapt` (children first) → `method.after_step` → ray count. All randomness of a step follows from its index and the
seed, so a resumed run equals an uninterrupted one bit for bit.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

import torch
from torch import nn

from radfield_core.errors import Diverged, StorageError, unwritable
from radfield_core.interfaces import TrainedParameters
from radfield_core.names import plural, quoted
from radfield_core.render.quick_evaluation import QuickEvaluation
from radfield_core.runs import checkpoint
from radfield_core.runs.checkpoint_names import list_steps
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.trained import load_weights
from radfield_core.runtime import randomness
from radfield_core.runtime.interrupts import Interrupts
from radfield_core.runtime.memory import with_smaller_chunks
from radfield_core.train.batches import save_batch
from radfield_core.train.best import BestCheckpoint
from radfield_core.train.counters import Counters
from radfield_core.train.eager import take_step
from radfield_core.train.exactness import conditions
from radfield_core.train.first_weights import FirstFile, FirstWeights
from radfield_core.train.groups import Groups
from radfield_core.train.log import TrainingLog
from radfield_core.train.monitor import Monitor
from radfield_core.train.ray_count import adapt_ray_count, micro_batch_rays
from radfield_core.train.restarts import MAX_RESTARTS, described, is_stuck, watch
from radfield_core.train.setup import TrainingSetup
from radfield_core.train.spikes import SpikeWatch
from radfield_core.train.step import StepLosses, backward
from radfield_core.train.stored_optimizer import checked_state
from radfield_core.types import Batch, Step

MAX_ROLLBACKS = 3
SEED_STRIDE = 1_000_003  # a large prime, so that the seed after a rollback is not also the seed of another run

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a method's model. `state` returns everything that a checkpoint stores, and `restore` loads such a state.

    Args:
        setup: options, method, build context and source of batches.
        folder: folder for checkpoints and diagnostic files.
        log: the log that metrics and progress are written to.
        evaluation: the evaluation that runs every `eval_every` steps and at the end; None for no evaluation.
        samples_per_ray: estimated mean number of samples per ray, which sets the first step's micro-batch size.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        folder: RunFolder,
        log: TrainingLog,
        evaluation: QuickEvaluation | None = None,
        samples_per_ray: float = 1.0,
    ):
        self._setup = setup
        self.config, self.method, self.drawer = setup.config, setup.method, setup.drawer
        self.folder, self.log = folder, log
        self._saved_step: int | None = None
        self._save_due = False
        self._changing = False
        self._best = BestCheckpoint(folder.checkpoints)
        self._save_fault = StorageError()
        self._interrupts = Interrupts()
        self._monitor = Monitor(evaluation, log, self._interrupts, self._rescue, self._share())
        self._start = Counters(n_rays=self.config.n_rays, samples_per_ray=samples_per_ray)
        self._build(replace(self._start))

    def _build(self, counters: Counters) -> None:
        """Build a new model and a new optimizer. The model's initial values follow from the seed."""
        self.counters = counters
        self.train_step = self._setup.build(self.seed)
        self.model = self.train_step.model
        self.groups = Groups(self.method, self.model)
        self.optimizer = self._setup.optimizer(self.groups.tables)
        self._spikes = SpikeWatch()
        self._spike: float | None = None

    @property
    def weights(self) -> FirstWeights | FirstFile | None:
        """The weights of another run, or the file, that this run started with, or None."""
        return self._setup.weights

    @property
    def evaluation_seconds(self) -> float:
        """Wall time of the evaluations of this training, in seconds."""
        return self._monitor.seconds

    @property
    def seed(self) -> int:
        """The seed of the run. Every rollback and every restart changes it."""
        return self.config.seed + SEED_STRIDE * (self.counters.rollbacks + self.counters.restarts)

    @property
    def rate_factor(self) -> float:
        """The factor by which all learning rates are multiplied. Every rollback halves it."""
        return float(0.5**self.counters.rollbacks)

    # The loop

    def train(self) -> str:
        """Train until the run ends, and save the final state.

        Returns:
            The reason why the run ended: "max_steps", "max_seconds" or the name of a signal.

        Raises:
            Diverged: the loss was not finite for too many steps in a row.
            StorageError: the final state could not be saved.
            Exception: a step failed, for example because images cannot be read or a part has a bug. What was trained
                before is saved.
        """
        first = self.counters.step
        with self._interrupts, self.log:
            while (reason := self._ended()) is None:
                with self._kept():
                    self._train_step()
                    self._housekeeping()
                    self._monitor.show(self.model, lambda: self._setup.live(self.model, self.counters.step))
            self._save_the_end()  # before the evaluation, so that no training is lost if the evaluation fails
            if self.counters.step > first and reason in ("max_steps", "max_seconds"):
                self._evaluate()
                if self.config.picture_every:
                    self._monitor.picture(self.model, self.counters, last=True)
        return reason if self._interrupts.received is None else self._interrupts.received.name

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """If the block raises an exception, save what was trained and say how to resume, and raise the exception again.

        An exception in the middle of a change of the model leaves a state that is neither that before the step nor that
        after it. Such a state is not saved.
        """
        try:
            yield
        except Diverged:
            raise
        except Exception:
            rescued = not self._changing and self._rescue()
            newest = next(iter(list_steps(self.folder.checkpoints)[-1:]), None)
            if newest is not None:
                state = f"saved after step {self.counters.step}" if rescued else f"the last checkpoint is {newest.name}"
                resume = f"radfield train --resume {quoted(self.folder.path)}"
                logger.warning("training stops: %s; to resume: %s", state, resume)
            raise

    def _train_step(self) -> None:
        """Take one step, measure its time and log it."""
        started, started_cpu = time.perf_counter(), time.process_time()
        step = Step(self.counters.step, self.config.max_steps, self.seed)
        losses = self._take(step)
        self.counters.seconds += time.perf_counter() - started
        self.counters.cpu_seconds += time.process_time() - started_cpu
        self.counters.step += 1
        if is_stuck(self.counters, self.config.restart_after) and self._restart():
            return
        if losses is None:
            self._skip(step)
            return
        self.counters.bad_in_a_row = 0
        self.log.step(self.counters, losses, float(self.optimizer.param_groups[0]["lr"]), self.model.part_scalars)
        if self._spike is not None:
            self._monitor.report_spike(self.model, self.counters.step, self._spike, self.folder.spikes)

    def _take(self, step: Step) -> StepLosses | None:
        """Take one optimizer step. If the loss or a gradient is not finite, change no parameter and return None."""
        self.model.begin_step(step)
        self._changing = True
        self.model.refresh(step)
        self._changing = False
        batch = self.drawer.draw(step, round(self.counters.n_rays))
        losses = self._backward(batch, step)
        self._changing = True
        finite = self._update(losses, step)
        if finite:
            self._adapt(step)
        self.optimizer.zero_grad(set_to_none=True)
        if finite:
            self.method.after_step(self.model, self.optimizer, step)
        self._changing = False
        if not finite:
            return None
        watch(self.counters, self.config.restart_after, batch, losses)
        if batch.rays is not None:
            adapt_ray_count(self.config, self.counters, len(batch.rays), losses.n_samples)
        return losses

    def _backward(self, batch: Batch, step: Step) -> StepLosses:
        """Compute the gradients of the whole batch. If a batch is too large for memory, it is split."""
        if batch.rays is None:
            return backward(self.train_step, batch, step)
        chunk = micro_batch_rays(self.config, self.counters, len(batch.rays))
        retry = False

        def attempt(chunk: int) -> StepLosses:
            nonlocal retry
            if retry:  # drop the gradients of the failed attempt, and draw the same random numbers again
                self.optimizer.zero_grad(set_to_none=True)
                self.model.begin_step(step)
            retry = True
            return backward(self.train_step, batch, step, chunk)

        losses, fitted = with_smaller_chunks(attempt, chunk)
        if fitted < chunk:
            self.counters.chunk_rays = fitted
            logger.warning("out of memory: continuing with micro-batches of %d rays; gradients are the same", fitted)
        return losses

    def _update(self, losses: StepLosses, step: Step) -> bool:
        """Update the parameters with the step's learning rates, and return True.

        If the loss or a gradient is not finite, update nothing and return False. Otherwise, Adam's moments would be NaN
        forever.
        """
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        total = losses.total
        numbers = torch.stack([norm.to(total), total]).tolist()  # the only time that the step waits for the device
        if not all(map(math.isfinite, numbers)):
            return False
        self._spike = self._spikes.add(numbers[1])
        if self.config.clip_grad_value is not None:
            nn.utils.clip_grad_value_(parameters, self.config.clip_grad_value)
            norm = nn.utils.get_total_norm(gradients)
        if self.config.clip_grad_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.config.clip_grad_norm, norm)
        self.groups.set_rates(self.optimizer, step, self.rate_factor)
        take_step(self.optimizer)
        return True

    def _adapt(self, step: Step) -> None:
        """Let the parts replace parameters. Their gradients are still those of this step."""
        parameters = TrainedParameters(self.model, self.optimizer)
        with torch.no_grad():
            self.model.adapt(step, parameters)
        parameters.check()

    # Between steps

    def _ended(self) -> str | None:
        """Return the reason why the run must end now, or None if the run continues."""
        if self._interrupts.received is not None:
            return self._interrupts.received.name
        if self.counters.step >= self.config.max_steps:
            return "max_steps"
        limit = self.config.max_seconds
        if limit is not None and self.counters.elapsed(self.config.clock) >= limit:
            return "max_seconds"
        return None

    def _housekeeping(self) -> None:
        """Save a checkpoint, evaluate, and make a picture, if they are due."""
        step = self.counters.step
        self._save_due |= step % self.config.save_every == 0
        if self._save_due and not self.counters.bad_in_a_row:  # a rollback must not return to diverged weights
            self._save_due = False
            self.save()
        if self.config.eval_every is not None and step % self.config.eval_every == 0 and self._ended() is None:
            self._evaluate()
        if self.config.picture_every and step % self.config.picture_every == 0 and self._ended() is None:
            self._monitor.picture(self.model, self.counters)

    def _evaluate(self) -> None:
        """Evaluate a few views. If the result is the best so far, keep the checkpoint of this step."""
        result, step = self._monitor.evaluate(self.model, self.counters), self.counters.step
        if result is not None and self.config.keep_best and not self.counters.bad_in_a_row:
            split = self._monitor.split
            self._best.offer(step, split, result, lambda: self._saved_step == step or self.save())

    def _save_the_end(self) -> None:
        """Save the final state, unless it has been saved already. Raises StorageError if saving fails."""
        if bad := self.counters.bad_in_a_row:
            logger.warning("the run ends with %s skipped: the loss or a gradient was not finite", plural(bad, "step"))
        if self._saved_step != self.counters.step and not self.save():
            file, message, hint = self._save_fault.problems[0]
            run, config = quoted(self.folder.path), quoted(self.folder.config)
            again = f"--resume {run}" if list_steps(self.folder.checkpoints) else f"-c {config}"
            raise StorageError(
                f"the state after step {self.counters.step} could not be saved: {message}",
                path=file,
                hint=f"{hint or 'Check the disk'}, then type: radfield train {again}",
            )

    # A stuck start, and divergence

    def _restart(self) -> bool:
        """Begin again with other random weights and return True. If that would not help any more, return False."""
        before = self.counters
        if before.restarts >= MAX_RESTARTS or self.weights is not None:
            why = (
                "it started with given weights" if self.weights is not None else f"{MAX_RESTARTS} restarts did not help"
            )
            logger.warning("step %d: %s; %s, so training continues", before.step, described(before), why)
            return False
        start = replace(self._start, rollbacks=before.rollbacks, restarts=before.restarts + 1, skipped=before.skipped)
        self._build(replace(start, seconds=before.seconds, cpu_seconds=before.cpu_seconds))
        self._begin_again()
        text = "step %d: %s: training begins again with other random weights (restart %d of %d)"
        logger.warning(text, before.step, described(before), self.counters.restarts, MAX_RESTARTS)
        return True

    def _begin_again(self) -> None:
        """Seed the generators, and set aside the checkpoints and log entries of the steps that will be repeated."""
        randomness.seed_everything(self.seed)
        self._saved_step = None
        checkpoint.set_aside(self.folder.checkpoints, self.counters.step)
        self.log.rolled_back(self.counters)

    def _skip(self, step: Step) -> None:
        """Count a step whose loss or gradients are not finite. Roll back after too many such steps in a row.

        Raises:
            Diverged: the run has been rolled back too often already.
        """
        counters = self.counters
        counters.skipped += 1
        counters.bad_in_a_row += 1
        if counters.bad_in_a_row < self.config.max_bad_steps:
            return
        if counters.rollbacks >= MAX_ROLLBACKS:
            path = self.folder.path / "diverged-batch.safetensors"
            save_batch(self.drawer.draw(step, round(counters.n_rays)), path)
            raise Diverged(
                f"no finite loss in {plural(counters.bad_in_a_row, 'step')} in a row, after {MAX_ROLLBACKS} rollbacks",
                path=str(path),
                hint="Lower the learning rate, or set trainer.clip_grad_norm=1",
            )
        self._roll_back()

    def _roll_back(self) -> None:
        """Return to the last good checkpoint or, if there is none, to the start. Halve the learning rates and change
        the seed."""
        before = self.counters
        _, path, _ = checkpoint.newest(self.folder.checkpoints, self._restore_good)
        if path is None:
            self._build(replace(self._start, restarts=before.restarts))
        counters = self.counters
        counters.rollbacks, counters.skipped = before.rollbacks + 1, before.skipped
        counters.seconds, counters.cpu_seconds, counters.bad_in_a_row = before.seconds, before.cpu_seconds, 0
        self._begin_again()
        logger.warning(
            "no finite loss in %s in a row: training returns to %s, with a new seed and learning rates × %g",
            plural(before.bad_in_a_row, "step"),
            path.name if path else "the start",
            self.rate_factor,
        )

    def _restore_good(self, state: checkpoint.State) -> bool:
        """Restore a state and return True if its last step was not skipped. If it was skipped, only return False."""
        self.restore(state)
        return not self.counters.bad_in_a_row

    # Checkpoints

    def state(self) -> checkpoint.State:
        """Return the complete state of the run. Training resumed from this state equals uninterrupted training."""
        generators, numbers = randomness.state()
        progress = {"counters": asdict(self.counters), "generators": numbers, "machine": conditions(self.drawer.device)}
        return checkpoint.State(
            self.counters.step, self.model.state_dict(), self.optimizer.state_dict(), generators, progress
        )

    def restore(self, state: checkpoint.State) -> None:
        """Continue from a saved state.

        Raises:
            StorageError: the state does not fit the model.
            CorruptCheckpoint: the counters, the random generators or the optimizer have impossible values.
        """
        load_weights(self.model, state, self.folder, self.optimizer)
        try:
            counters = Counters.of(state.progress["counters"])
            if counters.step != state.step:
                raise ValueError(f"the counters are at step {counters.step}")
            optimizer = checked_state(self.optimizer, self._setup.optimizer, state.optimizer)
            self.optimizer.load_state_dict(optimizer)
            randomness.restore(state.generators, state.progress["generators"])
        except Exception as error:  # a stranger's values may fail in any way
            raise checkpoint.CorruptCheckpoint(
                f"has impossible values: {checkpoint.reason(error)}",
                path=str(self.folder.checkpoints / f"step-{state.step:09d}"),
                hint="Use an older checkpoint, or the options and plugin versions that it was saved with",
            ) from error
        self.counters = counters
        self._saved_step = self.counters.step

    def _share(self) -> float | None:
        """Return the largest share of the training time for evaluations, or None for no limit."""
        return None if self.config.keep_best else self.config.eval_share

    def _rescue(self) -> bool:
        """Save a checkpoint after a failure. Return True if the current step is saved.

        If the losses of the last steps were not finite, nothing is saved, because a rollback must not return to this
        state.
        """
        if self._saved_step == self.counters.step:
            return True
        return not self.counters.bad_in_a_row and self.counters.step > 0 and self.save()

    def save(self) -> bool:
        """Save a checkpoint and return True. If saving fails, warn, keep older checkpoints and return False."""
        folder = self.folder.checkpoints
        try:
            checkpoint.save(folder, self.state(), self.config.keep_checkpoints, self._best.names)
        except (OSError, checkpoint.CorruptCheckpoint) as error:
            self._save_fault = error if isinstance(error, StorageError) else unwritable(error, folder)
            older = "older checkpoints are intact" if list_steps(folder) else "there is no older checkpoint"
            file, message, _ = self._save_fault.problems[0]
            logger.warning("step %d could not be saved: %s: %s; %s", self.counters.step, file, message, older)
            return False
        self._saved_step = self.counters.step
        return True
