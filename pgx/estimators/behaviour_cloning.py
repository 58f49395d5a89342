"""Behaviour cloning: learn to act as a saved expert does, whatever the rewards."""

from __future__ import annotations

import torch
from torch import Tensor

from pgx.errors import ConfigError, check_number
from pgx.estimators.likelihood import log_likelihood
from pgx.estimators.reinforce import Reinforce
from pgx.estimators.score import masked_mean
from pgx.types import Baseline, Estimate, Rollout, ScoreFunction


class BehaviourCloning(Reinforce):
    """The gradient of the log-likelihood of an expert's actions.

        g = 1/(T·N) Σ_{n,t} ∇ log π_θ(a_t|s_t),   a_t ~ π_expert(·|s_t)

    It is the policy gradient with every weight 1, over the states that the expert visits. The
    expert acts, the learner only learns: episodes, and what ``pgx train`` prints, are the
    expert's. The learner's own returns are those of its evaluations.

    The expert is the policy of a trained part, one of its seeds, for every replica; it is sampled,
    not asked for its likeliest action. The config, and so the run's hash, know it by its path and
    seed: train the expert anew, or begin a run in another folder, and the hash will not notice.

    Source: Pomerleau 1991, "Efficient training of artificial neural networks for autonomous
    navigation". There the actions were recorded from a person; here the expert is at hand, and
    every iteration asks it anew.

    Args:
        expert: directory of the part that trained it, as in ``outputs/adhoc/a2c/…/seeds-0-4``.
        expert_seed: which of the part's seeds.
        horizon: T, decisions of every slot and iteration.

    Raises:
        ConfigError: no path, or a number out of range.
    """

    horizon: int

    def __init__(self, expert: str, expert_seed: int, horizon: int) -> None:
        super().__init__(1.0, "end", 0.0, "analytic", False)
        if not isinstance(expert, str) or not expert:
            raise ConfigError(f"estimator.expert={expert}: give the directory of a trained part")
        check_number("estimator.expert_seed", expert_seed, least=0, whole=True)
        check_number("estimator.horizon", horizon, least=1, most=10**6, whole=True)
        self.expert, self.expert_seed, self.horizon = expert, expert_seed, horizon

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        """1 for every row: each of the expert's actions counts alike."""
        return torch.ones_like(rollout.reward)

    def __call__(self, policy: ScoreFunction, rollout: Rollout, baseline: Baseline) -> Estimate:
        """As in `Reinforce`, with two more diagnostics ``[R]``, in nats.

        ``log_likelihood`` is the mean of log π_θ(a|s), ``divergence`` that of
        log π_expert(a|s) − log π_θ(a|s): on average the Kullback-Leibler divergence from the
        expert, 0 for a perfect copy.
        """
        estimate = super().__call__(policy, rollout, baseline)
        mine = log_likelihood(policy, rollout)
        more = {
            "log_likelihood": masked_mean(mine, rollout),
            "divergence": masked_mean(rollout.log_prob - mine, rollout),
        }
        return Estimate(estimate.gradient, {**estimate.diagnostics, **more})
