"""Whether a lone ``pgx train`` may give its runs the name of an arm that a study's file has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import OmegaConf

from pgx.errors import ConfigError
from pgx.names import config_diff, config_hash, in_short
from pgx.part import PartPlan
from pgx.study import STUDY, read_study
from pgx.sweep.request import Words
from pgx.sweep.study_file import read_file


def check_arm(plan: PartPlan, directories: Sequence[Path]) -> None:
    """Refuse to train another config under the name of an arm.

    The arm is what its study's file makes of it, or what the last sweep made of it with words of
    its command line.

    Args:
        plan: what is about to be trained.
        directories: of further configs.

    Raises:
        ConfigError: with what differs, and the command that trains the arm.
    """
    from pgx.sweep.combine import combine

    node = OmegaConf.to_container(plan.config.study, resolve=True)
    assert isinstance(node, dict)
    if not (node.get("arms") or node.get("generate")):
        return
    file = read_file({str(key): value for key, value in node.items()})
    arms = tuple(arm for arm in file.arms if arm.name == plan.arm)
    if not arms or config_hash(plan.config) == _swept(plan):
        return
    budget = int(plan.config.decisions)
    settings = tuple(replace(s, decisions=s.decisions or budget) for s in file.settings)
    words = Words(study=(), every=(), hydra=())
    found = combine(replace(file, arms=arms, settings=settings), words, plan.seeds, directories)
    own = [part for one in found if (part := one.part) is not None]
    for part in own:
        if part.environment == plan.environment:
            changes = config_diff(part.config, plan.config)
            if changes:
                raise ConfigError(
                    f"arm={plan.arm} is an arm of study {plan.study} with another config "
                    f"({in_short(changes)}): pgx sweep study={plan.study} arm={plan.arm} trains "
                    "it, or choose another arm=NAME"
                )


def _swept(plan: PartPlan) -> str | None:
    """The hash that the last sweep gave the arm here."""
    root = Path(plan.config.output)
    if not (root / plan.study / STUDY).exists():
        return None
    return read_study(root, plan.study).hashes.get(plan.arm, {}).get(plan.environment)
