"""Parts with one fault each, beside the law that must catch it. Every fault is one that somebody made somewhere."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from mutants.caught import CAUGHT_BY

__all__ = ["CAUGHT_BY"]

for module in iter_modules(__path__):
    if module.name != "check":
        import_module(f"mutants.{module.name}")
