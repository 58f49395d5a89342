"""What an offline ``.wandb`` file says: wandb 0.31 ships no reader of it in Python.

::

    file   = ":W&B", magic (uint16), version (uint8), block, block, … of 32768 bytes
    block  = record, record, …, padded with zeros where no record's header fits
    record = crc32 (uint32), length (uint16), kind (uint8), bytes; the header counts as 7 bytes
    kind   = 1 whole, 2 first, 3 middle, 4 last piece of a message

The file's own 7 bytes count as part of the first block. A message is wandb's ``Record``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

BLOCK = 32768
_HEAD = struct.Struct("<IHB")


@dataclass
class Recorded:
    """One run as its ``.wandb`` files tell it, in the order in which they were begun."""

    id: str
    group: str
    project: str
    name: str
    job_type: str
    tags: tuple[str, ...]
    config: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)  #: name or glob to its x-axis
    exits: list[int] = field(default_factory=list)
    files: int = 0


def messages(data: bytes) -> Iterator[bytes]:
    """The messages of a file, put together from their pieces."""
    assert data[:4] == b":W&B"
    at, pieces = 7, b""
    while at + _HEAD.size <= len(data):
        if BLOCK - at % BLOCK < _HEAD.size:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = _HEAD.unpack_from(data, at)
        if kind == 0:
            return
        pieces += data[at + _HEAD.size : at + _HEAD.size + length]
        at += _HEAD.size + length
        if kind in (1, 4):
            yield pieces
            pieces = b""


def recorded(folder: Path) -> dict[str, Recorded]:
    """Every run in a part's ``wandb/``, by its id."""
    found: dict[str, Recorded] = {}
    for path in sorted(folder.glob("*run-*/*.wandb")):
        own: Recorded | None = None
        for message in messages(path.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(message)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run = record.run
                config = {item.key: json.loads(item.value_json) for item in run.config.update}
                own = found.setdefault(
                    run.run_id,
                    Recorded(
                        run.run_id,
                        run.run_group,
                        run.project,
                        run.display_name,
                        run.job_type,
                        tuple(run.tags),
                        config,
                    ),
                )
                own.files += 1
            elif own is not None:
                _add(own, kind, record)
    return found


def _add(run: Recorded, kind: str, record: Any) -> None:
    if kind == "history":
        run.rows.append(_items(record.history.item))
    elif kind == "summary":
        run.summary |= _items(record.summary.update)
    elif kind == "metric":
        run.metrics[record.metric.name or record.metric.glob_name] = record.metric.step_metric
    elif kind == "exit":
        run.exits.append(record.exit.exit_code)


def _items(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}
