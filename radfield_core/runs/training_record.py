"""The record of a run's trainings, in the file training.json: time by stage, memory, machine and warnings.

A run has one training, and one more for each time that it was resumed. The file lists them in their order.
"""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from radfield_core.errors import StorageError
from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json
from radfield_core.runs.folder import RunFolder, read_run_json

MAX_TRAININGS = 100
"""The file lists at most this many trainings of a run, the last ones."""

MAX_WARNINGS = 100
"""At most this many different warnings of a training are kept, the first ones."""

LIBRARY = "radfield_core"
"""The logger whose warnings are kept."""

logger = logging.getLogger(__name__)


class TrainingRecord(logging.Handler):
    """Collects what is worth knowing about one training, and adds it to training.json.

    Example:
        >>> record = TrainingRecord()
        >>> with record.listening(), record.stage("preparation"):
        ...     logging.getLogger("radfield_core.data").warning("%d images are blurred", 2)
        >>> record.warnings, list(record.seconds)
        (['2 images are blurred'], ['preparation'])

    Attributes:
        warnings: the warnings that were logged while the record was listening, without repetitions.
        seconds: name of a stage -> its wall time in seconds.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []
        self.seconds: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of a warning."""
        try:
            text = record.getMessage()
        except Exception:
            self.handleError(record)
            return
        if text not in self.warnings and len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(text)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep the warnings that radfield-core logs inside the block."""
        library = logging.getLogger(LIBRARY)
        library.addHandler(self)
        try:
            yield
        finally:
            library.removeHandler(self)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - started)

    def add(self, name: str, seconds: float) -> None:
        """Add seconds to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def write(
        self,
        folder: RunFolder,
        device: torch.device,
        machine: Mapping[str, str | int],
        steps: tuple[int, int],
        end: str,
    ) -> None:
        """Add this training to the run's training.json. If the file cannot be written, only warn.

        Args:
            folder: the run's folder.
            device: the device that the run was trained on.
            machine: the device by its name, the number of threads, and versions.
            steps: the numbers of training steps that were done before and after this training.
            end: why the training ended, such as "max_steps".
        """
        entry = {
            "first_step": steps[0],
            "last_step": steps[1],
            "end": end,
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
            "memory": peak_memory(device),
            "machine": dict(machine),
            "warnings": list(self.warnings),
        }
        content = {"trainings": [*read_trainings(folder), entry][-MAX_TRAININGS:]}
        try:
            write_durably(folder.training, dump_json(content, indent=2) + "\n")
        except OSError as error:
            logger.warning("%s: %s; times and warnings of this training are lost", folder.training, error.strerror)


def read_trainings(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the entries of a run's training.json. Return an empty list if there is none, or if it is damaged."""
    try:
        stored = read_run_json(folder.training) if folder.training.is_file() else {}
    except (StorageError, OSError):
        return []
    found = stored.get("trainings") if isinstance(stored, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def peak_memory(device: torch.device) -> dict[str, int]:
    """Return the largest memory in bytes that this process used so far: `process`, and `gpu` if it used one."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = {"process": peak if sys.platform == "darwin" else 1024 * peak}
    if device.type == "cuda":
        memory["gpu"] = torch.cuda.max_memory_allocated(device)
    return memory
