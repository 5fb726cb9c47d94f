"""Name the part whose code failed before training, so that its author and its users know where to look."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from radfield_core.errors import PluginError, RadfieldError
from radfield_core.plugins.blame import Culprit, culprit_of
from radfield_core.runs.record import parts_of
from radfield_core.runtime.interrupts import signals_unwrapped
from radfield_core.runtime.memory import is_out_of_memory
from radfield_core.train.setup import TrainingSetup


@contextlib.contextmanager
def blamed(setup: TrainingSetup, message: str, *, on_method: bool) -> Iterator[None]:
    """Turn exceptions raised in the block into a PluginError that names a part of the run and its distribution.

    The part is the one whose code raised the exception. Errors of core, of memory and about options are raised
    unchanged. With RADFIELD_DEBUG=1, unexpected exceptions are raised unchanged too, so that the user sees their
    traceback.

    Args:
        setup: the training setup.
        message: the first words of the error's message.
        on_method: True if the method brings its own model. Then every exception is blamed on the method, unless the
            code of another part raised it.
    """
    try:
        with signals_unwrapped():
            yield
    except PluginError as error:
        if not on_method:
            raise
        name = _method_name(setup)
        raise type(error)(
            problems=[each._replace(path=f"{name}: {each.path}" if each.path else name) for each in error.problems]
        ) from error
    except RadfieldError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or os.environ.get("RADFIELD_DEBUG") == "1":
            raise
        found = _culprit(setup, error)
        if found is None and not on_method:
            raise
        if isinstance(error, OSError) and not on_method:  # of files and disks, for which there are better messages
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "Set RADFIELD_DEBUG=1 to see the traceback"
        where = message if found is None else f"{message} in {found.hook}"
        raise PluginError(f"{where}: {text}", path=found.owner if found else _method_name(setup), hint=hint) from error


def _culprit(setup: TrainingSetup, error: Exception) -> Culprit | None:
    """Return the part of the run whose code raised an exception, or None for core's code."""
    run = setup.context.run
    return None if run is None else culprit_of(error, [choice.component for choice in parts_of(run)])


def _method_name(setup: TrainingSetup) -> str:
    """Return the name of the method as `method:name (distribution)`. Without a run, return the method's class name."""
    run = setup.context.run
    if run is None:
        return f"method {type(setup.method).__name__}"
    return f"{run.method.component.key} ({run.method.component.distribution})"
