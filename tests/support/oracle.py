"""What estimators should find on average: exact, in float64, from `pgx.environments.exact`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from pgx.baselines.base import BaselineModel
from pgx.baselines.none import NoBaseline
from pgx.baselines.value import Value
from pgx.environments.base import Environment
from pgx.environments.exact import chain, state_value, visits
from pgx.environments.mdp import MDP
from pgx.estimators.gae import GAE
from pgx.estimators.n_step import NStep
from pgx.estimators.reinforce import Reinforce
from pgx.estimators.reward_to_go import RewardToGo
from pgx.estimators.td import TD
from pgx.policies.categorical_linear import CategoricalLinear
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.types import EnvSpec, Rollout

PLAIN = {
    "discount": 1.0,
    "time_limit": "end",
    "entropy_coefficient": 0.0,
    "entropy": "analytic",
    "normalize_advantage": False,
}


def reinforce(**options) -> Reinforce:
    return Reinforce(**{**PLAIN, **options})


def reward_to_go(**options) -> RewardToGo:
    return RewardToGo(**{**PLAIN, "discount_weighting": False, **options})


def gae(**options) -> GAE:
    return GAE(**{**PLAIN, **CRITIC, "trace_decay": 0.8, **options})


CRITIC = {"discount_weighting": False, "time_limit": "bootstrap", "horizon": None}


def td(**options) -> TD:
    return TD(**{**PLAIN, **CRITIC, **options})


def n_step(**options) -> NStep:
    return NStep(**{**PLAIN, **CRITIC, "steps": 2, **options})


def stepping_stones() -> MDP:
    """Nothing is random: three states in a row, of which a stone may be skipped."""
    move = np.zeros((4, 2, 4))
    for state, action, after in [(0, 0, 1), (0, 1, 2), (1, 0, 2), (1, 1, 3), (2, 0, 3), (2, 1, 3)]:
        move[state, action, after] = 1.0
    move[3, :, 3] = 1.0
    reward = [[1.0, -2.0], [0.5, 4.0], [-3.0, 2.0], [0.0, 0.0]]
    return MDP(move, reward, [1, 0, 0, 0], [False, False, False, True])


def nota_thomas(first: float, alternative: float, bonus: float, length: int) -> MDP:
    """Nota & Thomas 2020: 0 is left, 1 is right, and states 0 and 1 look the same.

    In state 0 right pays ``first``; in state 1 left pays ``alternative`` and ends, right enters a
    chain of ``length`` states whose last step pays ``bonus`` and ends. The chain shows 0: what is
    chosen there has no part in the gradient of the weights.
    """
    states = length + 3
    move, reward = np.zeros((states, 2, states)), np.zeros((states, 2))
    move[0, :, 1] = 1.0
    move[1, 0, -1] = move[1, 1, 2] = 1.0
    for state in range(2, states - 1):
        move[state, :, state + 1] = 1.0
    move[-1, :, -1] = 1.0
    reward[0, 1], reward[1, 0], reward[states - 2, :] = first, alternative, bonus
    start, place = np.eye(states)[0], np.arange(states)
    return MDP(move, reward, start, place == states - 1, (place < 2)[:, None])


def branching() -> MDP:
    """Random moves and rewards over four states that look different; three actions."""
    rng = np.random.default_rng(4)
    move = rng.dirichlet(np.ones(5), (5, 3))
    start = [0.5, 0.2, 0.2, 0.1, 0.0]
    terminal = np.arange(5) == 4
    return MDP(move, rng.standard_normal((5, 3)), start, terminal)


def linear_policy(mdp: MDP, seeds: Sequence[int], logits: Tensor) -> CategoricalLinear:
    """A policy with these logits ``[F, A]`` of every feature; all replicas alike."""
    policy = CategoricalLinear(spec_of(mdp), seeds, None)
    with torch.no_grad():
        policy.net.layers(policy.flat)[0][0].copy_(logits)
    return policy


def spec_of(mdp: MDP) -> EnvSpec:
    return EnvSpec("made-up", (mdp.features.shape[1],), "discrete", mdp.actions)


class Truth:
    """The expected gradient of replica 0 of a linear policy, ``[(F + 1)·A]`` in float64.

    Its parameters are in the order of `gradients`: weights, then biases.
    """

    def __init__(self, mdp: MDP, policy: CategoricalLinear) -> None:
        self.mdp = mdp
        layers = policy.net.layers(policy.flat.detach().double())
        self._theta = [piece[0].clone().requires_grad_() for piece in layers[0]]
        weight, bias = self._theta
        self._graph = (mdp.features @ weight + bias).softmax(-1)
        self.probabilities = self._graph.detach()

    def of_objective(self, discount: float) -> Tensor:
        """∇J by autograd through linear algebra."""
        value = state_value(self.mdp, self._graph, discount)
        return self._flat((self.mdp.start * value).sum())

    def of_weights(self, visits: Tensor, weight: Tensor) -> Tensor:
        """Σ_s visits(s) Σ_a weight(s, a) ∇π(a|s)."""
        return self._flat((visits[:, None] * weight * self._graph).sum())

    def _flat(self, scalar: Tensor) -> Tensor:
        found = torch.autograd.grad(scalar, self._theta, retain_graph=True)
        return torch.cat([piece.flatten() for piece in found])

    def visits(self, discount: float) -> Tensor:
        return visits(self.mdp, self.probabilities, discount)

    def value(self, discount: float) -> Tensor:
        return state_value(self.mdp, self.probabilities, discount)

    def advantage(self, discount: float, decay: float, value: Tensor) -> Tensor:
        """E[A^GAE(λ) | s, a] ``[S, A]`` of a baseline ``value`` ``[S]`` that need not be right.

        δ(s, a) + γλ Σ_s' P(s'|s, a) A(s'), with A(s) = Σ_a π(a|s) A(s, a).
        """
        live = (~self.mdp.terminal).double()
        after = self.mdp.transition * live
        delta = self.mdp.expected_reward + discount * after @ (value * live) - value[:, None]
        delta = delta * live[:, None]
        between, _ = chain(self.mdp, self.probabilities)
        system = torch.eye(self.mdp.states, dtype=torch.float64) - discount * decay * between
        mean = torch.linalg.solve(system, (self.probabilities * delta).sum(-1))
        return delta + discount * decay * (after @ mean) * live[:, None]

    def of_action_values(self, discount: float, weighted: bool) -> Tensor:
        """Σ_s η(s) Σ_a Q_γ(s, a) ∇π(a|s), with η discounted only if the rows are weighted by γᵗ."""
        exact = self.value(discount)
        weight = self.advantage(discount, 1.0, exact)
        return self.of_weights(self.visits(discount if weighted else 1.0), weight)


def gradients(policy: CategoricalLinear, flat: Tensor) -> Tensor:
    """The real numbers of a flat gradient, ``[R, (F + 1)·A]`` in float64."""
    weight, bias = policy.net.layers(flat.detach().double())[0]
    return torch.cat([weight.flatten(1), bias.flatten(1)], dim=1)


def no_baseline(mdp: MDP, seeds: Sequence[int]) -> NoBaseline:
    return NoBaseline(spec_of(mdp), seeds)


def value_baseline(mdp: MDP, seeds: Sequence[int], value: Tensor, discount: float, **options):
    """A linear critic of ``value`` ``[F]``, one number per feature; all replicas alike."""
    defaults = {"time_limit": "end", "target_trace_decay": 1.0, "learning_rate": 0.1}
    defaults["target"] = "current"
    model = Value(
        spec_of(mdp),
        seeds,
        hidden=[],
        activation="tanh",
        discount=discount,
        coefficient=1.0,
        **{**defaults, **options},
    )
    with torch.no_grad():
        model.flat.zero_()
        model.net.layers(model.flat)[0][0].copy_(value[:, None])
    return model


Case = tuple[Reinforce, BaselineModel]


def sampled(
    env: Environment,
    policy: CategoricalLinear,
    cases: dict[str, Case],
    iterations: int,
    horizon: int | None = None,
) -> dict[str, Tensor]:
    """Every case's gradients over the same rollouts, ``[iterations·R, K]``."""
    collect = Collector(policy, env, Streams(env.seeds, env.slots), horizon)
    found: dict[str, list[Tensor]] = {name: [] for name in cases}
    for _ in range(iterations):
        rollout = collect(np.ones(env.replicas, dtype=bool))
        answers = {baseline: baseline(rollout) for _, baseline in cases.values()}
        for name, (estimator, baseline) in cases.items():
            answer = estimator(policy, rollout, answers[baseline])
            found[name].append(gradients(policy, answer.gradient))
    return {name: torch.cat(pieces) for name, pieces in found.items()}


def estimate(
    policy: CategoricalLinear, rollout: Rollout, estimator: Reinforce, baseline: BaselineModel
) -> Tensor:
    """An estimator's gradient, ``[R, K]`` in float64."""
    return gradients(policy, estimator(policy, rollout, baseline(rollout)).gradient)


def assert_mean(samples: Tensor, exact: Tensor, power: float) -> None:
    """The mean is ``exact`` within four standard errors, which are small enough to tell.

    Args:
        samples: ``[M, K]``.
        exact: ``[K]``.
        power: largest error bound that still means something, as a share of the exact gradient.
    """
    error = samples.std(0) / len(samples) ** 0.5
    assert (4 * error).norm() < power * exact.norm(), f"{error} says little about {exact}"
    missed = (samples.mean(0) - exact).abs()
    assert (missed <= 4 * error + 1e-9).all(), f"{samples.mean(0)} ± {error}, expected {exact}"


def assert_close(found: Tensor, wanted: Tensor) -> None:
    """Equal but for float32's rounding."""
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=2e-5)


def logits_of(counts: Iterable[Iterable[int]]) -> Tensor:
    """Logits whose softmax are these shares."""
    return torch.tensor([list(row) for row in counts]).double().log()
