"""Selection of the backend that runs an op. A backend is plain torch, or a library with accelerated kernels.

RADFIELD_BACKEND lists the backends to use, separated by commas, best first: `torch`, `numba`, `triton`, `tinycudann`,
`gsplat`.
An op ignores listed backends for which it has no kernels. If none of the listed backends remains, or if the variable is
unset, the op uses the best of its backends that can be loaded. It skips those that cannot be loaded, and records the
reasons. If a skipped backend is installed, a warning is logged. If the variable lists a backend that cannot be loaded,
the op raises an error. On each device that an op uses, its kernels are loaded and run once on tiny inputs.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from types import ModuleType
from weakref import WeakSet

import torch
from torch import nn

from radfield_core.errors import UsageError
from radfield_core.names import Lines
from radfield_core.runtime.interrupts import signals_deferred

VARIABLE = "RADFIELD_BACKEND"
"""Name of the environment variable that lists the backends to use."""

logger = logging.getLogger(__name__)

NAMES = ("torch", "numba", "triton", "tinycudann", "gsplat")
"""Names that the variable may list."""


@dataclass(frozen=True)
class Selection:
    """The backend that one op uses on one device.

    Attributes:
        op: name of the op.
        device: the device, for example "cpu" or "cuda:0".
        backend: name of the backend; "torch" for plain torch.
        module: module that defines the kernels; None for plain torch.
        skipped: dictionary: backend -> the complete reason why it could not be loaded.
    """

    op: str
    device: str
    backend: str
    module: ModuleType | None
    skipped: Mapping[str, str]

    def __str__(self) -> str:
        reasons = "".join(f" (no {name}: {in_one_line(reason)})" for name, reason in self.skipped.items())
        return f"{self.op}: {self.backend} on {self.device}{reasons}"


_selections: dict[tuple[str, torch.device, str], Selection] = {}
_ops: WeakSet[Op] = WeakSet()


class Op:
    """An op that is defined in plain torch and also has accelerated kernels, which are in other modules.

    A module of kernels defines the same functions as the plain torch module. It may also define `warm_up()`, which runs
    the kernels once on tiny inputs. `warm_up()` is called when the module is loaded, so that a module with broken
    kernels is skipped before an op uses it.

    Args:
        name: name of the op in printed messages.
        kernels: for each type of device, a table of backend -> module of the backend's kernels. In each of these
            tables, the best backend comes first.

    Example:
        >>> op = Op("my encoding", {"cpu": {"numba": "acme.cpu_kernels"}})
        >>> op.pick(torch.device("cuda")) is None  # it has no kernels for CUDA: use plain torch
        True
    """

    def __init__(self, name: str, kernels: Mapping[str, Mapping[str, str]]):
        self.name = name
        self.kernels = kernels
        _ops.add(self)

    def installed(self, device: torch.device) -> dict[str, str]:
        """Load the op's installed backends for a device.

        Returns:
            Dictionary: backend -> the complete reason why it cannot be loaded, or "" if it can. The best backend comes
            first, and plain torch is left out.
        """
        modules = self.kernels.get(device.type, {})
        return {name: _try_to_load(module, device)[1] for name, module in modules.items() if find_spec(name)}

    def loadable(self, device: str) -> list[str]:
        """Return the names of the backends that the op can load on a device, best first. Plain torch is left out.

        Log a warning for each installed backend that cannot be loaded.
        """
        found = self.installed(torch.device(device))
        for name, reason in found.items():
            if reason:
                _warn(f"{self.name}: {name} cannot be loaded on {device} and is left out:", reason)
        return [name for name, reason in found.items() if not reason]

    def pick(self, device: torch.device) -> ModuleType | None:
        """Return the module of the kernels to use on a device, or None for plain torch.

        Raises:
            UsageError: RADFIELD_BACKEND lists a backend that does not exist, is not installed or does not load.
        """
        value = os.environ.get(VARIABLE, "")
        key = (self.name, device, value)
        if key not in _selections:
            _selections[key] = self._select(device, requested(value))
        return _selections[key].module

    def _select(self, device: torch.device, names: tuple[str, ...]) -> Selection:
        modules = self.kernels.get(device.type, {})
        known = {"torch"}.union(*self.kernels.values())
        wanted = [name for name in names if name in known]
        usable = [name for name in wanted if name == "torch" or name in modules]
        if wanted and not usable:
            raise UsageError(
                f"{self.name} has no {' or '.join(wanted)} implementation on {device.type}",
                path=VARIABLE,
                hint=f"Set it to {' or '.join([*modules, 'torch'])}, or unset it",
            )
        skipped: dict[str, str] = {}
        for name in usable or modules:
            if name == "torch":
                break
            module, reason = _try_to_load(modules[name], device)
            if module is not None:
                self._report(skipped, device, name)
                return Selection(self.name, str(device), name, module, skipped)
            if wanted:
                raise UsageError(
                    f"{name} was requested, but {self.name} cannot load it on {device}: {in_one_line(reason)}",
                    path=VARIABLE,
                    hint=f"Repair or reinstall {name}, or unset {VARIABLE}; radfield doctor shows the whole reason",
                )
            skipped[name] = reason
        self._report(skipped, device, "torch")
        return Selection(self.name, str(device), "torch", None, skipped)

    def _report(self, skipped: Mapping[str, str], device: torch.device, used: str) -> None:
        """Log a warning for each installed backend that was skipped."""
        for name, reason in skipped.items():
            if find_spec(name) is not None:
                slower = f"so {used} is used, which can be many times slower"
                _warn(f"{self.name}: {name} cannot be loaded on {device}, {slower}:", reason)


def ops() -> list[Op]:
    """Return the ops of all modules that have been imported, sorted by name."""
    return sorted(_ops, key=lambda op: op.name)


def in_one_line(reason: str) -> str:
    """Return the first and the last line of a text.

    In a compiler's message, the first line states the place of the error, and the last line states the error.
    """
    lines = [" ".join(line.split()) for line in reason.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys((lines[0], lines[-1]))) if lines else ""


def _warn(text: str, reason: str) -> None:
    logger.warning(Lines.of(text, *(f"  | {line}" for line in reason.splitlines())))


def _try_to_load(module: str, device: torch.device) -> tuple[ModuleType | None, str]:
    """Load a module of kernels on a device. Return the module and "", or None and the complete reason for the
    failure."""
    try:
        return _load(module, device), ""
    except Exception as error:  # a compiler or a driver may raise any exception
        return None, f"{type(error).__name__}: {error}".rstrip()


def _load(module: str, device: torch.device) -> ModuleType:
    """Import a module of kernels, and run its kernels once on the device."""
    # warm_up() runs on the current device, so the op's device is made the current one. The first caller may be inside
    # no_grad or inference_mode, but warm_up() needs gradients. Signals are deferred, because an exception that a signal
    # raises here would look like a fault of the kernels.
    current = torch.cuda.device(device) if device.type == "cuda" and torch.cuda.is_available() else nullcontext()
    with signals_deferred(), torch.inference_mode(False), torch.enable_grad(), current:
        loaded = import_module(module)
        getattr(loaded, "warm_up", lambda: None)()
    return loaded


def requested(value: str | None = None) -> tuple[str, ...]:
    """Return the backends that RADFIELD_BACKEND lists, best first.

    Args:
        value: text to read instead of the variable; None reads the variable.

    Raises:
        UsageError: a name is unknown, or its package is not installed.

    Example:
        >>> requested("numba, torch")
        ('numba', 'torch')
    """
    value = os.environ.get(VARIABLE, "") if value is None else value
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        if name not in NAMES:
            raise UsageError(f"unknown backend {name!r}", path=VARIABLE, hint=f"Use {', '.join(NAMES)}")
        if find_spec(name) is None:
            raise UsageError(
                f"{name} was requested but is not installed",
                path=VARIABLE,
                hint=f"Install {name}, or unset {VARIABLE}",
            )
    return names


@contextmanager
def using(names: str) -> Iterator[None]:
    """Inside the `with` block, set RADFIELD_BACKEND to `names`. Use this to compare backends in one process.

    Example:
        >>> with using("torch"):
        ...     requested()
        ('torch',)
    """
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = names
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def selections() -> tuple[Selection, ...]:
    """Return the backends selected so far in this process, one per op and device. A run prints them in its header."""
    return tuple(_selections.values())


def in_use(device: torch.device) -> dict[str, str]:
    """Return op -> backend for the ops used on a device while RADFIELD_BACKEND had its present value."""
    value = os.environ.get(VARIABLE, "")
    return {
        name: selection.backend
        for (name, on, wanted), selection in _selections.items()
        if wanted == value and on.type == device.type and device.index in (None, on.index)
    }


def choose_device(name: str, option: str = "trainer.device") -> torch.device:
    """Return the device with a given name.

    Args:
        name: "cpu", "cuda", "cuda:1" …, or "auto". "auto" means CUDA if CUDA is available, and the CPU if not.
        option: option that the name comes from. The error message shows this option.

    Raises:
        UsageError: the device is not available, or RADFIELD_BACKEND is wrong.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    requested()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    reason = ""
    if re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):  # torch has others, such as "meta", that compute nothing
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
            return device
        except (RuntimeError, AssertionError) as error:
            reason = f": {str(error).splitlines()[0]}"
    available = ["auto", "cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    raise UsageError(f"device {name!r} is not available{reason}", path=option, hint=f"Use {' or '.join(available)}")


def device_of(owner: object) -> torch.device:
    """Return the device of a module's parameters. If the module has no parameters, return the device of its buffers.

    For any other object, or a module without parameters and buffers, return the CPU.

    Example:
        >>> device_of(nn.Linear(2, 3))
        device(type='cpu')
    """
    tensors = chain(owner.parameters(), owner.buffers()) if isinstance(owner, nn.Module) else ()
    return next((tensor.device for tensor in tensors), torch.device("cpu"))
