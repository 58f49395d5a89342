"""What an estimator's answer is made of, as quantities that obey a recursion along a trajectory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pgx.estimators.gae import GAE
from pgx.estimators.n_step import NStep
from pgx.estimators.reinforce import Reinforce
from pgx.estimators.reward_to_go import RewardToGo
from pgx.estimators.td import TD
from pgx.gradients.chain import Polynomial, Powers, times

MOST_STEPS = 8  #: n of an n-step return; a window of n needs n quantities


class NoRecursion(ValueError):
    """The estimator's answer is not known as a polynomial in such quantities."""


@dataclass(frozen=True)
class Tables:
    """What a decision brings; float64, and broadcast to ``[P, S, A, S]``.

    Attributes:
        reward: ``[1, S, A, S]``.
        score: ``[P, S, A, 1]``, ∂ log π(a|s)/∂θ.
        value: ``[1 or P, S, 1, 1]``, what the baseline says of the state.
        next_value: ``[1, 1, 1, S]``, what it says of the successor; 0 where the episode is over.
        truncates: whether an episode may be cut off, and its successor's value then counts as 0.
    """

    reward: Tensor
    score: Tensor
    value: Tensor
    next_value: Tensor
    truncates: bool


@dataclass(frozen=True)
class System:
    """Quantities by their updates, and the estimate as a polynomial in them."""

    updates: list[Polynomial]
    estimate: Polynomial

    @property
    def square(self) -> Polynomial:
        return times(self.estimate, self.estimate)


def system_of(estimator: Reinforce, tables: Tables) -> System:
    """The recursion of an estimator whose formula is known.

    Raises:
        NoRecursion: of another class, or with too long a window.
    """
    discount, kind = estimator.discount, type(estimator)
    if kind is Reinforce:
        return _total(tables, discount)
    if not isinstance(estimator, RewardToGo):
        raise NoRecursion("its formula is its own")
    fade = discount if estimator.discount_weighting else 1.0
    if kind is RewardToGo:
        back = _polynomial(2, {"": tables.reward, "0": discount})
        return _weighted([back], {**back, (0, 0): tables.reward - tables.value}, tables, fade)
    if isinstance(estimator, GAE) and kind is GAE:
        return _critic(tables, discount, fade, [0], 0, discount * estimator.trace_decay)
    if kind is TD:
        return _critic(tables, discount, fade, [], None, 0.0)
    if isinstance(estimator, NStep) and kind is NStep and estimator.steps <= MOST_STEPS:
        earlier = [None, *range(estimator.steps - 1)]  # of A_1 to A_n
        return _critic(tables, discount, fade, earlier[:-1], earlier[-1], discount)
    raise NoRecursion("its formula is its own, or its window too long")


def best_constant_of(estimator: Reinforce, tables: Tables) -> tuple[System, System]:
    """Numerator and denominator of `Reinforce.best_constants`, each as the estimate of a system.

    Raises:
        NoRecursion: the estimator takes no baseline per parameter.
    """
    discount, square = estimator.discount, tables.score * tables.score
    if type(estimator) is Reinforce:
        updates = _total(tables, discount).updates[:2]
        return System(updates, _polynomial(2, {"011": 1.0})), System(
            updates, _polynomial(2, {"11": 1.0})
        )
    if type(estimator) is not RewardToGo:
        raise NoRecursion("it takes no baseline per parameter")
    fade = discount**2 if estimator.discount_weighting else 1.0
    updates = [
        _polynomial(3, {"": tables.reward, "0": discount}),
        _polynomial(3, {"": square * tables.reward, "0": square * discount, "1": fade}),
        _polynomial(3, {"": square, "2": fade}),
    ]
    numerator, denominator = (_polynomial(3, {name: 1.0}) for name in "12")
    return System(updates, numerator), System(updates, denominator)


def _polynomial(count: int, terms: dict[str, Tensor | float]) -> Polynomial:
    """A polynomial in ``count`` quantities from terms such as ``"001"``, q_0² q_1."""
    found: Polynomial = {}
    for name, coefficient in terms.items():
        powers: Powers = tuple(name.count(str(index)) for index in range(count))
        found[powers] = torch.as_tensor(coefficient, dtype=torch.float64)
        found[powers] = found[powers].reshape((1,) * (4 - found[powers].ndim) + found[powers].shape)
    return found


def _total(tables: Tables, discount: float) -> System:
    """g = G S − B with G = r + γ G', S = x + S', B = b x + B'; without B if b = 0."""
    count = 3 if bool((tables.value != 0).any()) else 2
    updates = [
        _polynomial(count, {"": tables.reward, "0": discount}),
        _polynomial(count, {"": tables.score, "1": 1.0}),
        _polynomial(count, {"": tables.score * tables.value, "2": 1.0}),
    ]
    return System(
        updates[:count], _polynomial(count, {"01": 1.0, **({"2": -1.0} if count == 3 else {})})
    )


def _critic(
    tables: Tables,
    discount: float,
    fade: float,
    links: list[int | None],
    whole: int | None,
    factor: float,
) -> System:
    """Ψ = δ + c A', with δ = r + γ V(s') − V(s).

    V(s') is the quantity U' where an episode may be cut off: 0 if nothing is left to decide.

    Args:
        tables: of the decisions.
        discount: γ.
        fade: β.
        links: for each quantity A that Ψ needs, which A' its own update holds.
        whole: which A' the update of Ψ holds.
        factor: c.
    """
    count = len(links) + 1 + tables.truncates
    delta: dict[str, Tensor | float] = {"": tables.reward - tables.value}
    if tables.truncates:
        delta[str(count - 1)] = discount
    else:
        delta[""] = tables.reward - tables.value + discount * tables.next_value

    def linked(link: int | None) -> Polynomial:
        return _polynomial(count, delta if link is None else {**delta, str(link): factor})

    made = _weighted([linked(link) for link in links], linked(whole), tables, fade)
    if tables.truncates:
        made.updates.append(_polynomial(count, {"": tables.value}))
    return made


def _weighted(back: list[Polynomial], psi: Polynomial, tables: Tables, fade: float) -> System:
    """g = X with X = x Ψ + β X'; the quantity X comes after those of ``back``."""
    count = len(next(iter(psi)))
    own = _polynomial(count, {str(len(back)): 1.0})
    update = {powers: coefficient * tables.score for powers, coefficient in psi.items()}
    update |= {powers: coefficient * fade for powers, coefficient in own.items()}
    return System([*back, update], own)
