"""Sizes, checks and folds of the replica axis: everything that reduces, reduces per replica.

Bit-identity ("seed s alone equals seed s among others") rests on three habits kept here. Rows and
parameters are padded to a multiple of `LANES`, so that no element of a replica falls into the
scalar tail of a vectorised loop only because a neighbour is there. Sums are taken over lanes
first, so that torch never splits the terms of a lone replica over threads. Complete episodes are
summed in blocks of `BLOCK` decisions, block after block, so that the padding a neighbour causes
adds exact zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

LANES = 64  #: elements to which a replica's rows and parameters are padded
BLOCK = 64  #: decisions in time that complete episodes are processed in at once


def padded(size: int, multiple: int = LANES) -> int:
    """The next multiple at or above ``size``."""
    return -(-size // multiple) * multiple


def check_shape(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless ``tensor`` has exactly ``shape``."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")


def replica_rows(tensor: Tensor) -> Tensor:
    """``[T, R, N, …]`` to ``[R, B, …]`` with B = T·N padded to a multiple of `LANES` by zero rows.

    Free of a copy when storage is laid out ``[R, T, N, …]`` and T·N needs no padding.
    """
    rows = tensor.transpose(0, 1).flatten(1, 2)
    missing = padded(rows.shape[1]) - rows.shape[1]
    if missing == 0:
        return rows
    filler = rows.new_zeros((rows.shape[0], missing, *rows.shape[2:]))
    return torch.cat([rows, filler], dim=1)


def time_rows(rows: Tensor, steps: int, slots: int) -> Tensor:
    """``[R, B, …]`` back to ``[T, R, N, …]``: the inverse of `replica_rows`, padding dropped."""
    kept = rows[:, : steps * slots]
    return kept.unflatten(1, (steps, slots)).transpose(0, 1)


def join_time(blocks: Sequence[Tensor]) -> Tensor:
    """Blocks ``[T_i, R, N, …]`` one after the other, laid out ``[R, T, N, …]`` in memory."""
    if len(blocks) == 1:
        return blocks[0]
    return torch.cat([block.transpose(0, 1) for block in blocks], dim=1).transpose(0, 1)


def time_blocks(steps: int, complete: bool) -> Iterator[slice]:
    """The slices of time in which a rollout is processed: fixed blocks for complete episodes."""
    size = BLOCK if complete else steps
    for start in range(0, steps, size):
        yield slice(start, start + size)


def replica_sum(tensor: Tensor) -> Tensor:
    """Sum each replica's own elements, ``[R, B]`` to ``[R]``, by additions that R leaves alone.

    B must be a multiple of `LANES`.
    """
    return tensor.unflatten(1, (-1, LANES)).sum(1).sum(1)


def rollout_sum(tensor: Tensor, complete: bool) -> Tensor:
    """Sum over time and slots, ``[T, R, N]`` to ``[R]``.

    Complete episodes are summed block after block: rows of zeros at the end change no bit.
    """
    blocks = time_blocks(tensor.shape[0], complete)
    return torch.stack([replica_sum(replica_rows(tensor[b])) for b in blocks]).cumsum(0)[-1]
