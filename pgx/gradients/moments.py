"""Sums over draws, in groups: all that the figures of a gradient estimate are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

GROUPS = 100  #: equal parts of a sample; leaving one out at a time gives the intervals


class Moments:
    """Σ x and Σ x² of draws ``[P]`` in each of K groups, in float64.

    Args:
        parameters: P.
        groups: K.

    Attributes:
        count: int64 ``[K]``, draws.
        total: ``[K, P]``, Σ x.
        square: ``[K, P]``, Σ x².
    """

    def __init__(self, parameters: int, groups: int = GROUPS) -> None:
        self.count = np.zeros(groups, dtype=np.int64)
        self.total, self.square = np.zeros((2, groups, parameters))

    def add(self, first: int, draws: Tensor, groups: int) -> None:
        """Take in draws ``[B, P]`` of ``groups`` consecutive groups from ``first`` on, B equal."""
        parts = draws.to(torch.float64).unflatten(0, (groups, -1))
        some = slice(first, first + groups)
        self.count[some] += parts.shape[1]
        self.total[some] += parts.sum(1).numpy(force=True)
        self.square[some] += parts.square().sum(1).numpy(force=True)

    def without(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Count ``[K + 1, 1]``, Σ x and Σ x² ``[K + 1, P]``: of all, then with a group left out."""
        return tuple(  # type: ignore[return-value]
            np.concatenate([whole[None], whole - part])
            for part, whole in (
                (self.count[:, None], self.count.sum(keepdims=True)),
                (self.total, self.total.sum(0)),
                (self.square, self.square.sum(0)),
            )
        )


@dataclass(frozen=True)
class Batches:
    """The variance of estimates over batches of growing size.

    Attributes:
        count: int64 ``[L]``, batches of each size.
        total: ``[L, P]``, Σ of their estimates.
        square: ``[L]``, Σ of their squared norms.
    """

    count: np.ndarray
    total: np.ndarray
    square: np.ndarray

    @classmethod
    def empty(cls, sizes: int, parameters: int) -> Batches:
        """For this many sizes."""
        return cls(np.zeros(sizes, np.int64), np.zeros((sizes, parameters)), np.zeros(sizes))

    def add(self, place: int, estimates: Tensor) -> None:
        """Take in estimates ``[B, P]`` of one size."""
        found = estimates.to(torch.float64)
        self.count[place] += len(found)
        self.total[place] += found.sum(0).numpy(force=True)
        self.square[place] += float(found.square().sum())

    @property
    def variance(self) -> np.ndarray:
        """``[L]``, the trace of the covariance of an estimate; NaN with fewer than two."""
        count = self.count.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = self.square - (self.total**2).sum(1) / count
            return np.where(count > 1, np.maximum(spread, 0.0) / (count - 1), np.nan)
