"""What the stand-in for W&B knows besides runs: who asks, projects, artifacts, reports, links."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.wandb_server import Stored, WandbServer

ENTITY = "someone"
_DAY = "2026-01-01T00:00:00"


@dataclass
class View:
    """A report, as the last `upsertView` left it."""

    id: str
    project: str
    title: str
    description: str
    spec: dict[str, Any]
    saves: int = 1
    tokens: list[str] = field(default_factory=list)


class Account:
    """Answers what concerns an account and not a single run.

    Attributes:
        views: reports by id.
        artifacts: how many were made.
        known: whether the key is somebody's.
        projects: that were made on purpose; a run makes one as well.
    """

    def __init__(self, server: WandbServer) -> None:
        self.server, self.known, self.artifacts = server, True, 0
        self.views: dict[str, View] = {}
        self.projects: set[str] = set()

    def answer(self, query: str, given: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL answer, by the name of its operation."""
        words = query.replace("(", " ").replace("{", " ").split()
        name = words[words.index("query" if "query" in words else "mutation") + 1]
        found = getattr(self, f"_{name}", None)
        return found(given) if found else {}

    def _Viewer(self, given: dict[str, Any]) -> dict[str, Any]:
        if not self.known:
            return {"viewer": None}
        names = {"entity": ENTITY, "username": ENTITY, "name": "Some One"}
        nobody: dict[str, Any] = {"edges": []}
        return {
            "viewer": {"id": "1", **names, "teams": nobody, "apiKeys": nobody, "flags": "{}"}
            | {"email": "some@one", "admin": False, "deletedAt": None}
        }

    _GetDefaultEntity = _GetViewer = _Viewer

    def _Runs(self, given: dict[str, Any]) -> dict[str, Any]:
        wanted = json.loads(given["filters"])["name"]["$in"]
        held = {name: run for name, run in self.server.runs.items() if name in wanted}
        edges = [{"node": _node(name, run), "cursor": name} for name, run in held.items()]
        pages = {"hasNextPage": False, "endCursor": None}
        return {"project": {"runCount": len(held), "runs": {"edges": edges, "pageInfo": pages}}}

    def _ProjectInternalId(self, given: dict[str, Any]) -> dict[str, Any]:
        known = given["projectName"] in self._projects()
        return {"project": {"id": "1", "internalId": "7"} if known else None}

    def _GetProjects(self, given: dict[str, Any]) -> dict[str, Any]:
        user = self._Viewer({})["viewer"]
        nodes = [
            {"id": "1", "name": name, "entityName": ENTITY, "createdAt": _DAY}
            | {"isBenchmark": False, "user": user}
            for name in sorted(self._projects())
        ]
        edges = [{"node": node, "cursor": node["name"]} for node in nodes]
        pages = {"hasNextPage": False, "endCursor": None}
        return {"models": {"edges": edges, "pageInfo": pages}}

    def _CreateProject(self, given: dict[str, Any]) -> dict[str, Any]:
        self.projects.add(given["input"]["name"])
        return {"result": {"model": {"id": "1", "name": given["input"]["name"]}}}

    def _projects(self) -> set[str]:
        return self.projects | {run.project for run in self.server.runs.values()}

    def _upsertView(self, given: dict[str, Any]) -> dict[str, Any]:
        fields = (given["projectName"], given["displayName"], given["description"])
        spec = json.loads(given["spec"])
        if given["id"]:
            old = self.views[given["id"]]
            view = View(old.id, *fields, spec, old.saves + 1, old.tokens)
        else:
            view = View(_id(f"View:{len(self.views) + 1}"), *fields, spec)
        self.views[view.id] = view
        return {"upsertView": {"view": _view(view), "inserted": not given["id"]}}

    def _ProjectViews(self, given: dict[str, Any]) -> dict[str, Any]:
        own = [view for view in self.views.values() if view.project == given["project"]]
        edges = [{"node": _view(view), "cursor": view.id} for view in own]
        views = {"edges": edges, "pageInfo": {"hasNextPage": False, "endCursor": None}}
        return {"project": {"allViews": views, "internalId": "7"}}

    def _SpecificReport(self, given: dict[str, Any]) -> dict[str, Any]:
        view = self.views.get(given["reportId"])
        return {"view": _view(view) if view else None}

    def _ViewAccessTokens(self, given: dict[str, Any]) -> dict[str, Any]:
        view = self.views[given["reportId"]]
        projects = [{"entityName": ENTITY, "name": view.project}]
        tokens = [
            {"token": token, "type": "PUBLIC", "revokedAt": None, "projects": projects}
            for token in view.tokens
        ]
        return {"view": {"accessTokens": tokens}}

    def _createAccessToken(self, given: dict[str, Any]) -> dict[str, Any]:
        tokens = self.views[given["viewId"]].tokens
        tokens.append(f"token{len(tokens)}")
        return {"createAccessToken": {"accessToken": {"token": tokens[-1], "type": "PUBLIC"}}}

    def _ArtifactType(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"project": None}

    def _CreateArtifact(self, given: dict[str, Any]) -> dict[str, Any]:
        self.artifacts += 1
        artifact = {"id": _id(f"Artifact:{self.artifacts}"), "state": "PENDING"}
        return {"createArtifact": {"artifact": artifact}}

    def _CreateArtifactManifest(self, given: dict[str, Any]) -> dict[str, Any]:
        file = {"id": "1", "uploadUrl": f"{self.server.url}/put", "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": "1", "file": file}}}

    def _CreateArtifactFiles(self, given: dict[str, Any]) -> dict[str, Any]:
        files = given.get("artifactFiles") or given.get("storageLayout") or []
        edges = [
            {"node": {"id": "1", "uploadUrl": f"{self.server.url}/put", "artifact": {"id": "1"}}}
            for _ in files
        ]
        return {"createArtifactFiles": {"files": {"edges": edges}}}


def _id(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")


def _node(name: str, run: Stored) -> dict[str, Any]:
    user = {"name": "Some One", "username": ENTITY}
    return {
        "id": name,
        "name": name,
        "displayName": name,
        "projectId": "7",
        "user": user,
        "state": "finished",
        "group": run.group,
        "jobType": run.job_type,
        "description": None,
        "notes": None,
        "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
        "summaryMetrics": json.dumps(run.summary),
        "systemMetrics": "{}",
        "tags": [],
        "createdAt": _DAY,
        "historyLineCount": len(run.lines),
    }


def _view(view: View) -> dict[str, Any]:
    user = {"username": ENTITY, "photoUrl": None, "email": None, "name": None}
    return {
        "id": view.id,
        "name": "a-name",
        "displayName": view.title,
        "type": "runs",
        "description": view.description,
        "project": {"id": "7", "name": view.project, "entityName": ENTITY},
        "spec": json.dumps(view.spec),
        "createdAt": _DAY,
        "updatedAt": _DAY,
        "user": user,
    }
