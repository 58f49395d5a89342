"""Coefficients that may change while a replica uses up its budget of decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pgx.errors import ConfigError, check_number, suggest

KEYS = ("start", "end", "until")


class Schedule:
    """A coefficient as a function of the used fraction p of a replica's own budget.

        c(p) = start + (end − start) · min(p / until, 1)

    A key that takes a schedule takes a number too, which is a constant.

    Args:
        key: the config key, for messages.
        value: a number, or a mapping with ``start``, ``end`` and, unless it is 1, ``until``.
        least: the smallest coefficient allowed.

    Raises:
        ConfigError: anything else.
    """

    def __init__(
        self, key: str, value: float | Mapping[str, Any], least: float = -math.inf
    ) -> None:
        given = dict(value) if isinstance(value, Mapping) else {"start": value, "end": value}
        for name in given:
            if name not in KEYS:
                raise ConfigError(f"{key}.{name} is not a key: {suggest(str(name), KEYS)}")
        if missing := {"start", "end"} - given.keys():
            raise ConfigError(f"{key}: a schedule needs start and end; {missing.pop()} is missing")
        given = {"until": 1.0, **given}
        for name in ("start", "end"):
            where = f"{key}.{name}" if isinstance(value, Mapping) else key
            check_number(where, given[name], least=least)
        check_number(f"{key}.until", given["until"], above=0.0, most=1.0)
        self.start, self.end, self.until = (float(given[name]) for name in KEYS)

    def __call__(self, progress: Tensor | None) -> Tensor | float:
        """The coefficient of every replica.

        Args:
            progress: ``[R]``, used fraction of the budget; None is the beginning.

        Returns:
            float32 ``[R]``, or the constant.
        """
        if progress is None or self.start == self.end:
            return self.start
        used = (progress.double() / self.until).clamp(max=1.0)
        return (self.start + (self.end - self.start) * used).to(torch.float32)
