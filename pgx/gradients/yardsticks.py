"""Baselines that exist only to measure: they know what no training could."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pgx.baselines.base import BaselineModel, constant
from pgx.environments.base import Environment
from pgx.environments.exact import chain, probabilities, state_value
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError, check_number, suggest
from pgx.gradients.asked import Choice
from pgx.module import Ingredients
from pgx.policies.base import Policy
from pgx.types import Baseline, Rollout


class ExactValue(BaselineModel):
    """V(s) of the policy at θ by linear algebra, with the state known and not what it looks like.

        V_h = r_π + γ P_π V_{h−1},   V_0 = 0

    with h decisions to go before the time limit; without one V = (I − γ P_π)⁻¹ r_π. It predicts, so
    that a TD error may be made of it. Where states look alike no critic could learn it.

    Args:
        env: tabular.
        policy: whose values.
        discount: γ.

    Raises:
        ConfigError: the environment is not tabular.
    """

    predicts = True

    def __init__(self, env: Environment, policy: Policy, discount: float) -> None:
        super().__init__(env.spec, range(policy.replicas))
        if not isinstance(env, Tabular):
            raise ConfigError(
                f"--baselines=exact_value: {env.spec.id} is not tabular; choose a tabular one, "
                "such as environment=corridor, or --baselines=value"
            )
        self._env, self._policy, self._discount = env, [policy], discount
        self.states: list[Tensor] = []  #: of every decision of the rollout, ``[R, N]`` each

    def forward(self, rollout: Rollout) -> Baseline:
        table = self._table(len(self.states))  # [T, R, S]
        value = torch.zeros_like(rollout.reward)
        for row, (state, known) in enumerate(zip(self.states, table, strict=True)):
            value[row] = known.gather(1, state).float()
        value = torch.where(rollout.mask, value, 0.0)
        after = torch.cat([value[1:], torch.zeros_like(value[:1])])
        return Baseline(value, torch.where(rollout.ended, 0.0, after))

    @torch.no_grad()
    def _table(self, steps: int) -> Tensor:
        """V of every state before each of ``steps`` decisions, float64 ``[T, R, S]``."""
        mdp, limit = self._env.mdp, self._env.spec.time_limit
        chosen = probabilities(mdp, self._policy[0])
        if limit is None:
            return state_value(mdp, chosen, self._discount).expand(steps, -1, -1)
        between, reward = chain(mdp, chosen)
        values = [state_value(mdp, chosen, self._discount, limit - steps)]
        for _ in range(steps):
            later = (between @ values[-1].unsqueeze(-1)).squeeze(-1)
            values.append(reward + self._discount * later)
        return torch.stack(values[:0:-1])


class Constant(BaselineModel):
    """One number, for every decision of every trajectory.

    Args:
        parts: the arm's environment and policy.
        discount: γ.
        value: the number; None is the exact J(θ).
    """

    def __init__(self, parts: Ingredients, discount: float, value: float | None = None) -> None:
        super().__init__(parts.env.spec, range(parts.policy.replicas))
        if value is not None:
            check_number("--baselines=constant:value", value)
        self._parts, self._discount, self._value = [parts], discount, value
        if value is None:
            self._number()

    def _number(self) -> Tensor | float:
        if self._value is not None:
            return self._value
        parts = self._parts[0]
        with torch.no_grad():
            return parts.env.objective(parts.policy, self._discount).float().unsqueeze(-1)

    def forward(self, rollout: Rollout) -> Baseline:
        return constant(torch.zeros_like(rollout.reward) + self._number())


#: Beside the options of ``conf/baseline``.
YARDSTICKS: dict[str, type[BaselineModel]] = {"exact_value": ExactValue, "constant": Constant}


def yardstick(choice: Choice, parts: Ingredients, discount: float) -> BaselineModel:
    """The baseline of this name.

    Raises:
        ConfigError: a key that it has not, or an environment that it does not fit.
    """
    keys: dict[str, Any] = dict(choice.changes)
    known = ("value",) if choice.name == "constant" else ()
    for key in keys:
        if key not in known:
            works = suggest(key, known) if known else "it has none"
            raise ConfigError(f"--baselines={choice.label}: {key} is not a key: {works}")
    if choice.name == "constant":
        return Constant(parts, discount, **keys)
    return ExactValue(parts.env, parts.policy, discount)
