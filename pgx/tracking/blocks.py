"""An append-only file of columns that a killed process leaves readable.

::

    file   = header line, block, block, …
    header = {"pgx-blocks": 1, "columns": {name: dtype, …}} as JSON, ended by a newline
    block  = length (uint32), crc32 (uint32), the bytes of every column one after the other

The length counts the column bytes, the checksum covers length and columns. One append is one
``write``, so that ``kill -9`` tears at most the last block, and reading stops before it. There is
no ``fsync``: rows survive the death of the process, not the death of the machine.
"""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

VERSION = 1

_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<I")


class BlockWriter:
    """Appends rows to a block file; an existing file is continued after its last whole block.

    Args:
        path: the file; created if absent.
        schema: column name to numpy dtype, in file order. An existing file must have the same one;
            ``None`` takes the schema of the existing file.

    Attributes:
        size: bytes of header and whole blocks so far. All rows up to here are valid.

    Raises:
        ValueError: the file is no block file, or has another schema.
    """

    def __init__(self, path: Path, schema: Mapping[str, np.dtype | str] | None = None) -> None:
        self.path = Path(path)
        flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT if schema is not None else 0)
        self._fd = os.open(self.path, flags, 0o644)
        try:
            self._begin(schema)
        except BaseException:
            self.close()
            raise

    def _begin(self, schema: Mapping[str, np.dtype | str] | None) -> None:
        data = self.path.read_bytes()
        found, start = _read_header(data, self.path)
        if schema is not None:
            self.schema = {name: np.dtype(kind) for name, kind in schema.items()}
        elif found is not None:
            self.schema = found
        else:
            raise ValueError(f"{self.path}: holds no block header to take a schema from")
        self._width = _width(self.schema)
        self.size = 0
        if found is None:
            header = _header(self.schema)
            os.ftruncate(self._fd, 0)
            self._write(header)
            self.header_size = self.size = len(header)
            return
        if list(found.items()) != list(self.schema.items()):
            raise ValueError(f"{self.path}: columns are {_spell(found)}, not {_spell(self.schema)}")
        self.header_size = self.size = start
        for offset, length in _blocks(data, start, self._width):
            self.size = offset + length
        os.ftruncate(self._fd, self.size)

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Write rows as one block, in one ``write``. No rows, no block.

        Args:
            columns: one array ``[rows]`` per column of the schema, safe to cast to its dtype.

        Raises:
            ValueError: a column is missing, unknown or of another length.
            OSError: the disk is full; the file is left as it was.
        """
        if columns.keys() != self.schema.keys():
            odd = sorted(columns.keys() ^ self.schema.keys())
            raise ValueError(f"{self.path.name}: missing or unknown columns: {', '.join(odd)}")
        arrays = [
            np.asarray(columns[name]).astype(dtype, casting="same_kind", copy=False)
            for name, dtype in self.schema.items()
        ]
        shape = arrays[0].shape
        if len(shape) != 1 or any(array.shape != shape for array in arrays):
            shapes = {name: np.shape(column) for name, column in columns.items()}
            raise ValueError(f"{self.path.name}: columns differ in length: {shapes}")
        if shape[0] == 0:
            return
        payload = b"".join([array.tobytes() for array in arrays])
        block = _HEAD.pack(len(payload), _checksum(payload)) + payload
        self._write(block)
        self.size += len(block)

    def _write(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        if written != len(data):
            os.ftruncate(self._fd, self.size)
            raise OSError(errno.ENOSPC, "only part of a block could be written", str(self.path))

    def truncate(self, size: int) -> None:
        """Forget every row after ``size``, a value that ``self.size`` had before.

        Raises:
            ValueError: the file does not reach that far, or never had that size.
        """
        if not self.header_size <= size <= self.size:
            raise ValueError(
                f"{self.path}: cannot go back to {size} bytes; "
                f"the header has {self.header_size}, the valid rows end at {self.size}"
            )
        blocks = _blocks(self.path.read_bytes(), self.header_size, self._width)
        ends = (offset + length for offset, length in blocks)
        if size != self.header_size and size not in ends:
            raise ValueError(f"{self.path}: no block ends at {size} bytes")
        os.ftruncate(self._fd, size)
        self.size = size

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_blocks(path: Path, whole: bool = False) -> dict[str, np.ndarray]:
    """Every whole block's rows, per column; a torn or corrupt block ends the reading.

    Args:
        path: a block file, possibly of a process that is still writing or was killed.
        whole: refuse a file that holds anything else after its last whole block.

    Returns:
        Column name to array ``[rows]``, in file order; no columns if the header itself is torn.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no block file, or not whole.
    """
    data = Path(path).read_bytes()
    schema, start = _read_header(data, path)
    if schema is None:
        return {}
    spans = list(_blocks(data, start, _width(schema)))
    size = sum(spans[-1]) if spans else start
    if whole and size != len(data):
        raise ValueError(f"{path}: its rows end at {size} of {len(data)} bytes")
    return _columns(data, schema, spans)


class BlockTail:
    """Reads a block file that another process still appends to, each row once.

    The file stays open: rows can be read on after it is unlinked. A torn block at its end is read
    when it has become whole.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file = self.path.open("rb")
        self._schema: dict[str, np.dtype] | None = None
        self._at = 0

    def read(self) -> dict[str, np.ndarray]:
        """The rows of the blocks that have become whole since the last call, as `read_blocks` does.

        Raises:
            ValueError: the file is no block file.
        """
        self._file.seek(self._at)
        data, start = self._file.read(), 0
        if self._schema is None:
            self._schema, start = _read_header(data, self.path)
            if self._schema is None:
                return {}
        spans = list(_blocks(data, start, _width(self._schema)))
        self._at += sum(spans[-1]) if spans else start
        return _columns(data, self._schema, spans)

    @property
    def position(self) -> int:
        """Bytes of header and whole blocks that were read."""
        return self._at

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._file.close()


def _columns(
    data: bytes, schema: Mapping[str, np.dtype], spans: Sequence[tuple[int, int]]
) -> dict[str, np.ndarray]:
    """The columns of these blocks, each given by the offset and length of its rows."""
    view, width = memoryview(data), _width(schema)
    pieces: dict[str, list[memoryview]] = {name: [] for name in schema}
    for offset, length in spans:
        for name, dtype in schema.items():
            end = offset + length // width * dtype.itemsize
            pieces[name].append(view[offset:end])
            offset = end
    return {
        name: np.frombuffer(bytearray().join(pieces[name]), dtype) for name, dtype in schema.items()
    }


def _check_dtypes(schema: Mapping[str, np.dtype]) -> None:
    if not schema or any(dtype.hasobject or dtype.itemsize == 0 for dtype in schema.values()):
        raise ValueError(f"columns need dtypes of a fixed size: {_spell(schema)}")


def _header(schema: Mapping[str, np.dtype]) -> bytes:
    _check_dtypes(schema)
    columns = {name: dtype.str for name, dtype in schema.items()}
    return json.dumps({"pgx-blocks": VERSION, "columns": columns}).encode() + b"\n"


def _read_header(data: bytes, path: Path) -> tuple[dict[str, np.dtype] | None, int]:
    """The schema and where the first block begins; no schema if the header was never completed."""
    end = data.find(b"\n")
    if end < 0 and (not data or data.startswith(b'{"pgx-blocks"'[: len(data)])):
        return None, 0
    try:
        header = json.loads(data[:end])
        if header["pgx-blocks"] != VERSION:
            raise ValueError(f"version {header['pgx-blocks']}")
        schema = {name: np.dtype(kind) for name, kind in header["columns"].items()}
        _check_dtypes(schema)
        return schema, end + 1
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: not a block file of version {VERSION} ({error})") from error


def _blocks(data: bytes, start: int, width: int) -> Iterator[tuple[int, int]]:
    """Offset and length of the columns of each whole block."""
    view = memoryview(data)
    while start + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, start)
        offset = start + _HEAD.size
        start = offset + length
        if start > len(data) or length == 0 or length % width:
            return
        if _checksum(view[offset:start]) != checksum:
            return
        yield offset, length


def _checksum(payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(_LENGTH.pack(len(payload))))


def _width(schema: Mapping[str, np.dtype]) -> int:
    return sum(int(dtype.itemsize) for dtype in schema.values())


def _spell(schema: Mapping[str, np.dtype]) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in schema.items())
