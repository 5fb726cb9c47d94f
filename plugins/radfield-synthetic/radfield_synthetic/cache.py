"""Cache of computed tensors on disk.

The name of a file contains a digest of the inputs of the computation. The content is verified when it is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from radfield_core.files import cache_dir, write_durably


@cache
def _code() -> str:
    """Return a digest of this package's source. It is part of the file names, so that a changed scene is computed
    again."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


class Kept:
    """Cache file for tensors of one kind, computed with the given options."""

    def __init__(self, kind: str, options: Mapping[str, Any]):
        words = json.dumps([kind, _code(), dict(sorted(options.items()))])
        self.name = f"{kind}-{hashlib.sha256(words.encode()).hexdigest()[:20]}.safetensors"

    def read(self) -> dict[str, Tensor] | None:
        """Return the cached tensors, or None if there are none or the file is damaged."""
        try:
            data = (cache_dir("synthetic") / self.name).read_bytes()
            digest, content = data[:32], data[32:]
            return load(content) if hashlib.sha256(content).digest() == digest else None
        except (OSError, SafetensorError, ValueError):
            return None

    def write(self, tensors: Mapping[str, Tensor]) -> None:
        """Write tensors to the cache. If this fails, do nothing, because the tensors can be computed again."""
        content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        try:
            write_durably(cache_dir("synthetic") / self.name, hashlib.sha256(content).digest() + content)
        except OSError:
            return

    def get(self, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return the cached tensors. If there are none, compute the tensors with `make` and write them to the cache."""
        found = self.read()
        if found is None:
            found = make()
            self.write(found)
        return found
