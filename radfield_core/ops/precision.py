"""Precision: conversion of a network's outputs to the floating-point types that rendering needs."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(y: Tensor) -> Tensor:
    """Convert half precision to float32. Return float32 and float64 unchanged.

    Under autocast a network returns half precision. Density, signed distance, opacity and everything that rendering
    computes from them need float32.

    Example:
        >>> at_least_float32(torch.ones(1, dtype=torch.bfloat16)).dtype, at_least_float32(torch.ones(1).double()).dtype
        (torch.float32, torch.float64)
    """
    return y.to(torch.promote_types(y.dtype, torch.float32))
