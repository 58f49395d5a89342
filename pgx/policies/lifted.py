"""A policy over any `torch.nn.Module` that a user names: the fallback."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from pgx.errors import ConfigError, suggest
from pgx.lift import KEY, LiftedNet
from pgx.policies.base import Actor, Policy
from pgx.policies.categorical import Categorical
from pgx.policies.gaussian import Gaussian
from pgx.streams import Stream
from pgx.types import EnvSpec


class Lifted(Policy):
    """π(a|s) = softmax(f(s))_a, or N(μ, σ²) with [μ, log σ] = f(s), and f a module of the user's.

    Discrete actions make it a `Categorical` policy, continuous ones a `Gaussian`. f gets
    observations in their own shape, ``[B, *O]``, and gives ``[B, K]``: K is the number of actions,
    or twice the dimensions of an action.

    The class is called with what ``policy.network`` holds beside ``_target_``. Sizes need not be
    given: arguments that the class names ``inputs`` or ``in_features`` are the observation's size,
    ``outputs`` or ``out_features`` are K, ``observation_shape`` is O, unless the config says
    otherwise. A class outside pgx and torch.nn is named in ``allow_targets``.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        network: the class with its arguments; ``_partial_`` leaves making it to this policy.

    Raises:
        ConfigError: what is named is no module class, does not take its arguments, or is not a
            function of each row alone; see `LiftedNet`.
    """

    def __init__(
        self, spec: EnvSpec, seeds: Sequence[int], network: Callable[..., nn.Module]
    ) -> None:
        super().__init__(spec, seeds)
        discrete = spec.action_kind == "discrete"
        self.head: Categorical | Gaussian = (Categorical if discrete else Gaussian)(spec, seeds)
        self.outputs, self.noise_words = self.head.outputs, self.head.noise_words
        meaning = f"the logits of {spec.actions} actions"
        if not discrete:
            meaning = f"mean and log σ of {spec.actions} dimensions"
        make = functools.partial(network, **_sizes(network, spec, self.outputs))
        shape = spec.observation_shape
        self.net = self.head.net = LiftedNet(make, seeds, shape, self.outputs, meaning)

    def noise(self, stream: Stream, start: np.ndarray, count: int) -> np.ndarray:
        return self.head.noise(stream, start, count)

    def actor(self) -> Actor:
        return self.head.actor()

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        return self.head.log_prob(outputs, action)

    def entropy(self, outputs: Tensor) -> Tensor:
        return self.head.entropy(outputs)

    def score(
        self, outputs: Tensor, action: Tensor, weight: Tensor, entropy_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.head.score(outputs, action, weight, entropy_weight)


def _sizes(network: Any, spec: EnvSpec, outputs: int) -> dict[str, Any]:
    """The sizes that the class asks for and the user left out, after a look at the rest."""
    if not isinstance(network, functools.partial):
        raise ConfigError(f"{KEY}._partial_: must be true, an instance is made for every seed")
    kind, given = network.func, network.keywords
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ConfigError(f"{KEY}._target_: name a subclass of torch.nn.Module")
    if any(isinstance(value, nn.Module) for value in (*network.args, *given.values())):
        raise ConfigError(f"{KEY}: an argument is a module itself; name a class that makes its own")
    known = inspect.signature(kind).parameters
    flat, shape = math.prod(spec.observation_shape), spec.observation_shape
    sizes = {"inputs": flat, "in_features": flat, "observation_shape": shape}
    sizes |= {"outputs": outputs, "out_features": outputs}
    fill = {k: v for k, v in sizes.items() if k in known and k not in given}
    fill = {} if network.args else fill
    try:
        inspect.signature(kind).bind(*network.args, **given, **fill)
    except TypeError as error:
        for key in given:
            if key not in known and "unexpected" in str(error):
                raise ConfigError(f"{KEY}.{key} is not a key: {suggest(key, known)}") from error
        raise ConfigError(f"{KEY}: {kind.__name__}: {error}") from error
    return fill
