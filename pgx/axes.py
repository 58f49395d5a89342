"""Sizes, checks and folds of the replica axis: everything that reduces, reduces per replica.

Bit-identity ("seed s alone equals seed s among others") rests on two habits kept here: a sum over one
replica never takes torch's two-pass path for single-element outputs, which splits the terms by the
number of threads, and rows are padded to a multiple of `LANES`, so that no element of a replica falls
into the scalar tail of a vectorised loop only because a neighbour is there.
"""

from __future__ import annotations

import torch
from torch import Tensor

LANES = 64  #: elements to which a replica's rows and parameters are padded


def padded(size: int) -> int:
    """The next multiple of `LANES` at or above ``size``."""
    return -(-size // LANES) * LANES


def check_shape(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless ``tensor`` has exactly ``shape``."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")


def replica_rows(tensor: Tensor) -> Tensor:
    """``[T, R, N, …]`` to ``[R, T·N, …]``; free of a copy when storage is laid out ``[R, T, N, …]``."""
    swapped = tensor.transpose(0, 1)
    return swapped.reshape(swapped.shape[0], -1, *swapped.shape[3:])


def time_rows(tensor: Tensor, slots: int) -> Tensor:
    """``[R, T·N, …]`` back to ``[T, R, N, …]``: the inverse of `replica_rows`."""
    replicas, rows = tensor.shape[:2]
    return tensor.reshape(replicas, rows // slots, slots, *tensor.shape[2:]).transpose(0, 1)


def pad_rows(tensor: Tensor, rows: int) -> Tensor:
    """``[R, B, …]`` to ``[R, rows, …]``, filled with zeros; the tensor itself if B = rows."""
    missing = rows - tensor.shape[1]
    if missing == 0:
        return tensor
    shape = (tensor.shape[0], missing, *tensor.shape[2:])
    return torch.cat([tensor, tensor.new_zeros(shape)], dim=1)


def replica_sum(tensor: Tensor) -> Tensor:
    """Sum of each replica's elements, ``[R, B]`` to ``[R]``, by the same additions for every R.

    Extra zeros at the end (a neighbour's padding) leave the bits of the sum unchanged as long as they
    come in whole blocks of `LANES` rows... see `sum_time` for sums over episodes of unequal length.
    """
    lanes = pad_rows(tensor, padded(tensor.shape[1])).reshape(tensor.shape[0], -1, LANES)
    return lanes.sum(1).sum(1)
