"""A small capture on disk for the tests in this folder, and functions that change it."""

from __future__ import annotations

import json

import pytest
from radfield_transforms.config import TransformsConfig
from radfield_transforms.dataparser import Transforms

from radfield_core import DatasetError


def parse(root, split="train", **options):
    return Transforms(TransformsConfig(root=str(root), **options)).parse(split)


def edit(folder, change):
    file = folder / "transforms.json"
    meta = json.loads(file.read_text())
    change(meta)
    file.write_text(json.dumps(meta))


def faults(folder, split="train", **options) -> str:
    with pytest.raises(DatasetError) as caught:
        parse(folder, split, **options)
    return str(caught.value)
