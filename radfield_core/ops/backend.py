"""Which implementation of an op runs: the torch reference or an accelerated twin, by device and by what is importable.

`RADFIELD_BACKEND` names the implementations to use, comma separated, best first: `torch`, `numba`, `triton`,
`tinycudann`. A name counts for the ops that have such a twin; the others choose for themselves. Unset, every op takes
its best twin that loads. A twin that was asked for and is absent is an error; one that was not is passed over, and the
reason kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from types import ModuleType

import torch
from torch import nn

from radfield_core.errors import UsageError
from radfield_core.runtime.interrupts import signals_deferred

VARIABLE = "RADFIELD_BACKEND"
NAMES = ("torch", "numba", "triton", "tinycudann")


@dataclass(frozen=True)
class Chosen:
    """What one op runs on one kind of device; `passed_over` says per twin why it was not taken."""

    op: str
    device: str
    backend: str
    module: ModuleType | None
    passed_over: Mapping[str, str]

    def __str__(self) -> str:
        reasons = "".join(f" (no {name}: {reason})" for name, reason in self.passed_over.items())
        return f"{self.op}: {self.backend} on {self.device}{reasons}"


_chosen: dict[tuple[str, str, str], Chosen] = {}


class Op:
    """An op whose definition is plain torch, with twins that hold the same functions in a module of their own.

    twins: device type -> backend name -> module, best first. A module that has a function `warm_up()` is asked to run
    once, on something tiny, when it is loaded, so that a twin that cannot work is known before it is relied on.
    """

    def __init__(self, name: str, twins: Mapping[str, Mapping[str, str]]):
        self.name = name
        self.twins = twins

    def installed(self, device: str) -> list[str]:
        """The backends that have a twin on the device and are installed, best first."""
        return [name for name in self.twins.get(device, {}) if find_spec(name) is not None]

    def pick(self, device: torch.device) -> ModuleType | None:
        """The twin's module, or None for the torch reference. Raises UsageError for a twin asked for and absent."""
        asked = os.environ.get(VARIABLE, "")
        key = (self.name, device.type, asked)
        if key not in _chosen:
            _chosen[key] = self._choose(device.type, requested(asked))
        return _chosen[key].module

    def _choose(self, device: str, asked: tuple[str, ...]) -> Chosen:
        here = self.twins.get(device, {})
        offered = {"torch"}.union(*self.twins.values())
        mine = [name for name in asked if name in offered]
        if mine and not any(name == "torch" or name in here for name in mine):
            raise UsageError(
                f"{self.name} has no {' or '.join(mine)} implementation on {device}",
                path=VARIABLE, hint=f"one of: {', '.join([*here, 'torch'])}; or leave it unset",
            )  # fmt: skip
        passed_over: dict[str, str] = {}
        for name in [name for name in mine if name == "torch" or name in here] or [*here, "torch"]:
            if name == "torch":
                return Chosen(self.name, device, "torch", None, passed_over)
            try:
                # Whatever the first to ask is in the middle of; and no signal may look like a twin that cannot work.
                with signals_deferred(), torch.inference_mode(False), torch.enable_grad():
                    module = import_module(here[name])
                    getattr(module, "warm_up", lambda: None)()
            except Exception as error:
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                if mine:
                    raise UsageError(
                        f"{name} was asked for, and {self.name} cannot load it: {reason}",
                        path=VARIABLE, hint=f"repair or install {name}, or leave {VARIABLE} unset",
                    ) from error  # fmt: skip
                passed_over[name] = reason
            else:
                return Chosen(self.name, device, name, module, passed_over)
        return Chosen(self.name, device, "torch", None, passed_over)


def requested(value: str | None = None) -> tuple[str, ...]:
    """The names in `value`, by default RADFIELD_BACKEND's. Raises UsageError for one unknown or not installed."""
    value = os.environ.get(VARIABLE, "") if value is None else value
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        if name not in NAMES:
            raise UsageError(f"unknown backend {name!r}", path=VARIABLE, hint=f"one of: {', '.join(NAMES)}")
        if find_spec(name) is None:
            raise UsageError(f"{name} was asked for and is not installed", path=VARIABLE,
                             hint=f"install {name}, or leave {VARIABLE} unset")  # fmt: skip
    return names


@contextmanager
def using(names: str) -> Iterator[None]:
    """Inside the block RADFIELD_BACKEND is `names`: to measure implementations against each other in one process."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = names
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def choices() -> tuple[Chosen, ...]:
    """What every op used so far in this process runs on, for the run header."""
    return tuple(_chosen.values())


def choose_device(name: str, written: str = "trainer.device") -> torch.device:
    """The device that a name means, or the best for "auto"; `written` is the option that says so.

    Raises UsageError if it, or a backend asked for, is not there.
    """
    requested()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    reason = ""
    if re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):  # torch has others, such as meta, on which nothing runs
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
            return device
        except (RuntimeError, AssertionError) as error:
            reason = f": {str(error).splitlines()[0]}"
    there = ["auto", "cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    raise UsageError(f"no device {name!r} here{reason}", path=written, hint=" or ".join(there))


def device_of(owner: object) -> torch.device:
    """Device of a module's parameters, else of its buffers; the CPU for a module or object that has neither."""
    tensors = chain(owner.parameters(), owner.buffers()) if isinstance(owner, nn.Module) else ()
    return next((tensor.device for tensor in tensors), torch.device("cpu"))
