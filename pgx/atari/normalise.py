"""Human-normalized scores, and the two rules for a game whose random player beats the human."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import fmean, median
from typing import NamedTuple

RULES = ("published", "signed")
#: How a row treats such a game: keep the denominator's sign, or take the random score as 0.
SIGNED, ZERO = "signed", "random as 0"

#: Whose published figures follow only with the negative denominator kept.
SIGNED_SYSTEMS = frozenset({"dqn", "gorila"})


class Summary(NamedTuple):
    """Mean and median over games, in percent."""

    mean: float
    median: float


def rule_of(rule: str, system: str | None) -> str:
    """`SIGNED` or `ZERO` for one row of the table.

    The papers did not follow one rule, and none states its own: this is what gives their figures.

    Args:
        rule: of the table. ``published`` takes for every system what gives its published figures;
            ``signed`` keeps the signed denominator throughout.
        system: its id; None is an own row, for which ``published`` is the later systems' rule.
    """
    return SIGNED if rule == "signed" or system in SIGNED_SYSTEMS else ZERO


def inverted(reference: Mapping[str, tuple[float, float]]) -> list[str]:
    """The games whose random score is not below the human one; ``reference`` as `normalise`'s."""
    return sorted(game for game, (random, human) in reference.items() if human <= random)


def normalise(
    scores: Mapping[str, float], reference: Mapping[str, tuple[float, float]], row_rule: str
) -> dict[str, float]:
    """Every game's human-normalized score.

    100 (score − random) / (human − random); with `ZERO`, and only where human ≤ random, the
    random score is taken as 0.

    Mnih et al. 2015 (doi 10.1038/nature14236), Extended Data Table 2, without a rule for a
    game whose random player beats the human; `ZERO` is not in that paper.

    Args:
        scores: game → raw score.
        reference: game → (random, human) raw scores, of the same start protocol.
        row_rule: `SIGNED` or `ZERO`.

    Returns:
        Game → percent: 0 is random play, 100 the human's.
    """
    zeroed: Collection[str] = inverted(reference) if row_rule == ZERO else ()
    normalized = {}
    for game, score in scores.items():
        random, human = reference[game]
        base = 0.0 if game in zeroed else random
        normalized[game] = 100 * (score - base) / (human - base)
    return normalized


def summarise(normalized: Mapping[str, float]) -> Summary:
    """Mean and median over the games of ``normalized``, in percent; each game counts once."""
    values = list(normalized.values())
    return Summary(fmean(values), median(values))
