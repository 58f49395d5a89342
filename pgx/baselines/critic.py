"""The critic, whichever network it is an output of: what learned values share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from pgx.axes import LANES, join_time, replica_rows, rollout_sum, time_blocks, time_rows
from pgx.baselines.base import BaselineModel
from pgx.errors import check_choice, check_number
from pgx.nets import Frozen, Network
from pgx.returns import bootstrap, gae
from pgx.schedules import Schedule
from pgx.types import Baseline, EnvSpec, Rollout, TimeLimit


class Critic(BaselineModel):
    """V_w(s), fitted to λ-returns by semi-gradient descent; the target carries no gradient.

        L = c · scale Σ_{n,t} (V_w(s_t) − y_t)²,   y_t = A_t^{GAE(λ)} + V_w(s_t)

    with the rows summed as the estimator sums them: scale is 1/N over complete episodes, 1/(T·N)
    otherwise. λ = 1 fits Monte Carlo returns, λ = 0 one-step TD targets.

    Source: Sutton & Barto 2018, eq. 12.2 for the λ-return, section 13.4 for the baseline.

    Args:
        spec: the environment's sizes.
        seeds: one seed per replica.
        discount: γ, the estimator's.
        time_limit: what a truncation means, the estimator's.
        target_trace_decay: λ of the target.
        target: whose V makes y: ``current``, or ``frozen``, as w was before the last step.
        coefficient: c; a number or a `Schedule`.

    Attributes:
        net: whose output V is; w is ``net.flat``. A subclass gives it with `learn`.

    Raises:
        ConfigError: a value outside its range.
    """

    net: Network
    predicts = True

    def __init__(
        self,
        spec: EnvSpec,
        seeds: Sequence[int],
        discount: float,
        time_limit: TimeLimit,
        target_trace_decay: float,
        target: Literal["current", "frozen"],
        coefficient: float | Mapping[str, Any],
    ) -> None:
        super().__init__(spec, seeds)
        check_number("baseline.discount", discount, least=0.0, most=1.0)
        check_choice("baseline.time_limit", time_limit, ("bootstrap", "end"))
        check_number("baseline.target_trace_decay", target_trace_decay, least=0.0, most=1.0)
        check_choice("baseline.target", target, ("current", "frozen"))
        self.discount, self.time_limit = discount, time_limit
        self.target_trace_decay = target_trace_decay
        self.coefficient = Schedule("baseline.coefficient", coefficient, least=0.0)
        self.target = target

    def learn(self, net: Network) -> None:
        """Take V, ``[R, B, 1]``, from this network from now on."""
        self.net = net
        if self.target == "frozen":
            self.register_buffer("previous", net.flat.detach().clone())

    @property
    def flat(self) -> Tensor:
        return self.net.flat

    def forward(self, rollout: Rollout) -> Baseline:
        blocks = list(time_blocks(len(rollout.mask), rollout.complete))
        with torch.enable_grad():
            outputs = [
                self.net(replica_rows(rollout.observation[block]).flatten(2)) for block in blocks
            ]
        value = join_time(
            [
                time_rows(out.detach().squeeze(-1), *rollout.mask[block].shape[::2])
                for out, block in zip(outputs, blocks, strict=True)
            ]
        )
        next_value = self._next_value(rollout, value, self.net.frozen())
        if self.target == "current":
            error = self._advantage(rollout, value, next_value)
        else:
            error = self._frozen_target(rollout) - value
        gradient = torch.zeros_like(self.flat)
        scale = self._scale(rollout)
        row_scale = scale.unsqueeze(1) if isinstance(scale, Tensor) else scale
        slope = torch.where(rollout.mask, error, 0.0) * (-2.0 * row_scale)
        for out, block in zip(outputs, blocks, strict=True):
            if rollout.complete and not bool(rollout.mask[block].any()):
                continue
            rows = replica_rows(slope[block]).unsqueeze(-1)
            gradient += torch.autograd.grad(out, self.flat, rows)[0]
        loss, diagnostics = self._diagnostics(rollout, value, error)
        return Baseline(value, next_value, gradient, loss, diagnostics)

    def _scale(self, rollout: Rollout) -> Tensor | float:
        """c · scale, ``[R]`` or one number for all."""
        steps, _, slots = rollout.mask.shape
        return self.coefficient(rollout.progress) / (slots if rollout.complete else steps * slots)

    def _advantage(self, rollout: Rollout, value: Tensor, next_value: Tensor) -> Tensor:
        """y_t − V(s_t), ``[T, R, N]``."""
        rest = bootstrap(next_value, rollout.terminated, rollout.truncated, self.time_limit)
        decay = self.target_trace_decay
        return gae(rollout.reward, value, rest, rollout.ended, self.discount, decay)

    def _diagnostics(
        self, rollout: Rollout, value: Tensor, error: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and the explained variance 1 − Var(y − V)/Var(y), ``[R]`` each."""
        rows = torch.cat([error, error + value], dim=1)  # y − V and y, ``[T, 2R, N]``
        mask = torch.cat([rollout.mask, rollout.mask], dim=1)

        def total(tensor: Tensor) -> Tensor:
            return rollout_sum(torch.where(mask, tensor, 0.0), rollout.complete)

        squares = total(rows * rows)
        mean = total(rows) / total(torch.ones_like(rows)).clamp(min=1.0)
        spread = total((rows - mean.unsqueeze(-1)).square())
        unexplained, explainable = spread.chunk(2)
        loss = squares[: len(unexplained)] * self._scale(rollout)
        return loss, {"value_loss": loss, "explained_variance": 1.0 - unexplained / explainable}

    @torch.no_grad()
    def _frozen_target(self, rollout: Rollout) -> Tensor:
        """y_t ``[T, R, N]`` by the network before the last step, which the present one replaces."""
        net = self.net.frozen(self.previous)
        blocks = time_blocks(len(rollout.mask), rollout.complete)
        rows = (replica_rows(rollout.observation[block]).flatten(2) for block in blocks)
        values = torch.cat([net(part).squeeze(-1) for part in rows], dim=1)
        value = time_rows(values, *rollout.mask.shape[::2])
        advantage = self._advantage(rollout, value, self._next_value(rollout, value, net))
        self.previous.copy_(self.net.flat)
        return value + advantage

    @torch.no_grad()
    def _next_value(self, rollout: Rollout, value: Tensor, net: Frozen) -> Tensor:
        """V(next_observation) ``[T, R, N]``; 0 where an episode terminated or no row is.

        Within an episode it is the next row's value. The network runs again only on successors that
        are no row: the last ones of a T-step rollout, and those at truncations.
        """
        result = torch.zeros_like(value)
        result[:-1] = torch.where(rollout.ended[:-1], 0.0, value[1:])
        needed = rollout.truncated & ~rollout.terminated & rollout.mask
        if not rollout.complete:
            result[-1] = net(rollout.next_observation[-1].flatten(2)).squeeze(-1)
            needed[-1] = False
        if bool(needed.any()):
            _fill(result, needed, rollout.next_observation, net)
        return result


def _fill(result: Tensor, needed: Tensor, observation: Tensor, net: Frozen) -> None:
    """Write the network's values into ``result`` where ``needed``, in equal batches per replica.

    Every call gives each replica `LANES` rows, so that its products do not depend on its
    neighbours.
    """
    replicas, steps, slots = torch.nonzero(needed.transpose(0, 1), as_tuple=True)
    first = torch.searchsorted(replicas, torch.arange(needed.shape[1], device=replicas.device))
    place = torch.arange(len(replicas), device=replicas.device) - first[replicas]
    batches = int(place.max()) // LANES + 1
    rows = observation.new_zeros((needed.shape[1], batches * LANES, *observation.shape[3:]))
    rows[replicas, place] = observation[steps, replicas, slots]
    values = [net(batch.flatten(2)).squeeze(-1) for batch in rows.split(LANES, dim=1)]
    result[steps, replicas, slots] = torch.cat(values, dim=1)[replicas, place]
