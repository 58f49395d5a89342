"""``pgx wandb report``: what a W&B Report says of a study, handed to the process that builds it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pgx.analysis.model import Analysis
from pgx.errors import ConfigError
from pgx.sharing.child import events
from pgx.sharing.outgoing import outgoing, target
from pgx.sharing.pictures import KINDS
from pgx.sharing.push import check_account
from pgx.sharing.state import PUSHED, REPORTED, WORK
from pgx.study import METRICS
from pgx.tracking.account import server
from pgx.tracking.manifest import PartLock

LONGEST_TITLE = 128
PATIENCE_S = 60  #: with a server that does not answer
LOG = "report.log"
MISSING = "pgx wandb report needs wandb-workspaces; pip install 'pgx-lab[workspaces]'"


def report(
    root: Path,
    study: str,
    project: str | None = None,
    entity: str | None = None,
    against: str | None = None,
    share: bool = False,
    dry_run: Path | None = None,
) -> dict[str, Any]:
    """Make the W&B Report of a study, or bring it up to date.

    Args:
        root: the output directory.
        study: its name.
        project: of W&B, where the runs are; None is what the runs' configs say.
        entity: of W&B; None is what the runs' configs say, or the account's own.
        against: arm that the others are held against; None: the study's reference.
        share: make the link with which anyone can read it.
        dry_run: file that the specification is written to, instead; nothing is contacted.

    Returns:
        ``url``, whether it is ``new``, whether the study was ``pushed`` there, and ``share_url`` or
        None; ``path`` of a dry run.

    Raises:
        ConfigError: there is no such study, the extra is missing, nobody is logged in, or the
            project is not on the server.
        RunFailed: the server did not take it.
    """
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise ConfigError(MISSING)
    if dry_run is not None and (share or not dry_run.absolute().parent.is_dir()):
        wrong = "drop --share" if share else f"there is no folder {dry_run.absolute().parent}"
        raise ConfigError(f"--dry-run={dry_run}: {wrong}")
    from pgx.analysis.analyse import analyse
    from pgx.analysis.gather import gather

    found = outgoing(root, study, {})
    project, entity = target(found.named, project, entity)
    content = told(analyse(gather(root, study), against), evaluated(found.parts))
    if dry_run is None:
        check_account("report", "--dry-run FILE needs no server")
    folder = Path(root) / study
    job = {
        "server": server(),
        "project": project,
        "entity": entity,
        "content": content,
        "share": share,
        "dry_run": None if dry_run is None else str(dry_run.absolute()),
        "state": str((folder / REPORTED).absolute()),
        "pushed": str((folder / PUSHED).absolute()),
        "patience_s": PATIENCE_S,
    }
    with PartLock(folder / WORK):
        (made,) = events("pgx.sharing.report_process", job, folder / WORK / LOG)
    return {name: value for name, value in made.items() if name != "event"}


def evaluated(parts: Sequence[dict[str, Any]]) -> bool:
    """Whether some part played evaluations beside its training."""
    return any(list(Path(part["directory"]).glob("evaluations.*")) for part in parts)


def told(analysis: Analysis, evaluations: bool) -> dict[str, Any]:
    """Everything that the report says, as plain values.

    Args:
        analysis: of the study.
        evaluations: whether its runs have evaluations to show.
    """
    from pgx.analysis.render import all_sheets
    from pgx.analysis.words import headline, method, sentences
    from pgx.report.charts import charts
    from pgx.sharing.markdown import table

    study = analysis.study
    title = f"{study.name}: {study.question}" if study.question else study.name
    cut = f"{title[: LONGEST_TITLE - 1]}…" if len(title) > LONGEST_TITLE else title
    return {
        "title": " ".join(cut.split()),
        "study": study.name,
        "question": study.question,
        "prediction": study.prediction,
        "headline": headline(analysis),
        "sentences": sentences(analysis),
        "changed": list(analysis.changed),
        "notes": list(analysis.notes),
        "method": method(analysis),
        "metric": METRICS[study.metric],
        "last": study.last,
        "environments": list(study.places),
        "arms": [{"arm": arm, "label": study.label(arm)} for arm in study.trained],
        "tables": [table(one) for one in all_sheets(analysis, list(study.places), None)],
        "evaluations": evaluations,
        "reference": analysis.against,
        "figures": [name for name in charts(analysis) if name.startswith(KINDS)],
    }
