"""The process of ``pgx wandb report``: builds a Report of W&B, and saves it or writes it down."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import wandb
import wandb_workspaces.reports.v2

from pgx.errors import ConfigError
from pgx.sharing.child import Event, serve
from pgx.sharing.push_process import own_entity
from pgx.sharing.state import destination, digest, note, read
from pgx.tracking.episodes import RECENT
from pgx.tracking.run_names import LONGEST, fitted, group_name

wr: Any = wandb_workspaces.reports.v2  #: its names are not typed

WIDE, HALF, HIGH = 24, 12, 8  #: of panels, in W&B's grid of 24 columns
PANELS = (
    "The panels are W&B's own: mean and standard error of each arm's runs. "
    "The tables and the verdict are pgx's, by the methods named at the end."
)


def blocks(content: Mapping[str, Any], entity: str, project: str) -> list[Any]:
    """What the report shows, from its headline to its methods.

    Args:
        content: as `pgx.sharing.report.told` gives it.
        entity: of W&B; empty in a dry run, which asks nobody for the project's id.
        project: likewise.
    """
    shown = [wr.H1("Verdict"), wr.P(content["headline"])]
    shown += [wr.CalloutBlock(line) for line in content["changed"]]
    for name in ("question", "prediction"):
        if content[name]:
            shown += [wr.H2(name.capitalize()), wr.BlockQuote(content[name])]
    shown += [wr.H1("Learning curves"), wr.P(PANELS)]
    for environment in content["environments"]:
        shown += [wr.H2(environment), panels(content, environment, entity, project)]
    if content["figures"]:
        shown += [wr.H1("Figures"), figures(content, entity, project)]
    shown += [wr.H1("Tables"), *(wr.MarkdownBlock(text) for text in content["tables"])]
    lists = (("In words", "sentences"), ("Notes", "notes"), ("Methods", "method"))
    for title, name in lists:
        if content[name]:
            shown += [wr.H1(title), wr.UnorderedList(items=list(content[name]))]
    return shown


def panels(content: Mapping[str, Any], environment: str, entity: str, project: str) -> Any:
    """Curves and bars of one environment over a run set per arm."""
    place = environment if len(content["environments"]) > 1 else None
    sets = [
        arm_set(group_name(content["study"], one["arm"], place), one, environment, entity, project)
        for one in content["arms"]
    ]
    average = {"groupby": "Group", "groupby_aggfunc": "mean", "groupby_rangefunc": "stderr"}
    curves = {"recent_return": f"training return, mean of the last {RECENT} episodes"}
    if content["evaluations"]:
        curves["evaluation"] = "mean return of an evaluation"
    width = WIDE // len(curves)
    made: list[Any] = [
        wr.LinePlot(
            title=title,
            x="decisions",
            y=[metric],
            title_x="decisions of a run",
            title_y="return",
            layout=wr.Layout(x=place * width, y=0, w=width, h=HIGH),
            **average,
        )
        for place, (metric, title) in enumerate(curves.items())
    ]
    bars = {"area": "area under the learning curve", "final": "final training return"}
    made += [
        wr.BarPlot(
            title=title,
            metrics=[wr.SummaryMetric(metric)],
            orientation="h",
            layout=wr.Layout(x=place * HALF, y=HIGH, w=HALF, h=HIGH),
            **average,
        )
        for place, (metric, title) in enumerate(bars.items())
    ]
    for place, panel in enumerate(made):
        panel._id = digest([content["study"], environment, place])
    return wr.PanelGrid(runsets=sets, panels=made)


def figures(content: Mapping[str, Any], entity: str, project: str) -> Any:
    """pgx's own figures, which every summary run shows; the reference's is taken."""
    name = fitted(f"{content['reference']} summary", LONGEST)
    conditions = [
        _condition("group", "=", fitted(content["study"], LONGEST)),
        _condition("displayName", "=", name),
        _condition("jobType", "=", "summary"),
    ]
    found = run_set("summary", conditions, entity, project)
    found._id = digest([content["study"], "figures"])
    high = HIGH * len(content["figures"])
    panel = wr.MediaBrowser(
        title="figures of pgx: interquartile means, differences, 95% intervals",
        num_columns=1,
        media_keys=list(content["figures"]),
        layout=wr.Layout(x=0, y=0, w=WIDE, h=high),
    )
    panel._id = digest([content["study"], "figures", 0])
    return wr.PanelGrid(runsets=[found], panels=[panel])


def arm_set(group: str, one: Mapping[str, str], environment: str, entity: str, project: str) -> Any:
    """An arm's runs in one environment: those of its group."""
    conditions = [_condition("group", "=", group), _condition("jobType", "=", "train")]
    found = run_set(one["label"], conditions, entity, project)
    found.groupby = ["group"]
    found._id = digest([group, one["arm"], environment])
    return found


def run_set(name: str, conditions: list[dict[str, Any]], entity: str, project: str) -> Any:
    """The runs of a project that meet conditions.

    These are given in the form that they are stored in: the package's own way from an expression to
    that form doubles an ``=`` inside a name.
    """
    found = wr.Runset(entity=entity, project=project, name=name)
    found._stashed_filter_string = found.filters
    joined = [{**one, "connector": "AND"} for one in conditions[1:]]
    found._stashed_filters_v2 = {"filterFormat": "filterV2", "filters": [*conditions[:1], *joined]}
    return found


def _condition(name: str, operator: str, value: Any) -> dict[str, Any]:
    key = {"section": "run", "name": name}
    return {"key": key, "op": operator, "value": value, "disabled": False}


def specification(job: Mapping[str, Any]) -> dict[str, Any]:
    """What would be saved, without asking a server for anything."""
    content, entity = job["content"], job["entity"] or ""
    report = wr.Report(
        entity=entity,
        project=job["project"],
        title=content["title"],
        description=content["question"],
        blocks=blocks(content, "", ""),
    )
    spec = json.loads(report._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))
    for block in spec["blocks"]:
        for found in block.get("metadata", {}).get("runSets", []):
            found["project"] = {"entityName": entity, "name": job["project"]}
    return {
        "entity": entity or None,
        "project": job["project"],
        "title": report.title,
        "description": report.description,
        "spec": spec,
    }


def save(job: Mapping[str, Any]) -> dict[str, Any]:
    """Make the report, or bring the one that was made before up to date.

    Raises:
        ConfigError: there is no such project on the server.
    """
    api = wandb.Api(timeout=job["patience_s"])
    entity, project = own_entity(api, job["entity"]), job["project"]
    if project not in {one.name for one in api.projects(entity)}:
        raise ConfigError(
            f"--project={project}: {entity} has none of this name; `pgx wandb push "
            f"{job['content']['study']}` makes it"
        )
    state, key = Path(job["state"]), destination(job["server"], entity, project)
    before = read(state).get(key, {}).get("id", "")
    known = {one.id for one in api.reports(f"{entity}/{project}")} if before else set()
    report = wr.Report(
        entity=entity,
        project=project,
        title=job["content"]["title"],
        description=job["content"]["question"],
        blocks=blocks(job["content"], entity, project),
    )
    report.id = before if before in known else ""
    new = not report.id
    report.save()
    url = link(report.url, report.title, report.id)
    note(state, key, {"id": report.id, "url": url})
    shared = None
    if job["share"]:
        shared = f"{url}?accessToken={report.enable_share_link().rpartition('accessToken=')[2]}"
    pushed = key in read(Path(job["pushed"]))
    return {"url": url, "new": new, "pushed": pushed, "share_url": shared}


def link(url: str, title: str, name: str) -> str:
    """A report's address; the package's own has the title in it as it is, question mark and all."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")
    return f"{url.partition('/reports/')[0]}/reports/{slug}--{name}"


def main(job: Mapping[str, Any], say: Callable[[Event], None]) -> None:
    """Do what the job says: write the specification to a file, or save the report."""
    if job["dry_run"] is None:
        say({"event": "made", **save(job)})
        return
    path = Path(job["dry_run"])
    path.write_text(
        json.dumps(specification(job), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    say({"event": "made", "path": str(path)})


if __name__ == "__main__":
    serve(main)
