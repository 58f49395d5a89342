"""The block file: what is written comes back, and damage costs nothing before it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from pgx.tracking.blocks import BlockTail, BlockWriter, read_blocks

SCHEMA = {"seed": "int64", "value": "float64", "good": "bool"}


def rows(start: int, count: int) -> dict[str, np.ndarray]:
    index = np.arange(start, start + count)
    return {"seed": index, "value": index / 7, "good": index % 2 == 0}


def written(path, *counts: int) -> list[int]:
    """Append blocks of these many rows; the file's size after each."""
    writer, sizes, start = BlockWriter(path, SCHEMA), [], 0
    for count in counts:
        writer.append(rows(start, count))
        sizes.append(writer.size)
        start += count
    writer.close()
    return sizes


def assert_rows(path, count: int) -> None:
    columns, expected = read_blocks(path), rows(0, count)
    assert list(columns) == list(SCHEMA)
    for name, dtype in SCHEMA.items():
        assert columns[name].dtype == np.dtype(dtype)
        np.testing.assert_array_equal(columns[name], expected[name])


def test_rows_come_back_in_order_with_their_dtypes(tmp_path):
    sizes = written(tmp_path / "b", 3, 1, 5)
    assert_rows(tmp_path / "b", 9)
    assert sizes[-1] == (tmp_path / "b").stat().st_size


def test_a_block_torn_at_any_byte_costs_only_itself(tmp_path):
    path = tmp_path / "b"
    _, before, end = written(path, 3, 1, 5)
    data = path.read_bytes()
    for size in range(before, end):
        path.write_bytes(data[:size])
        assert_rows(path, 4)
        writer = BlockWriter(path, SCHEMA)
        assert writer.size == before
        writer.append(rows(4, 5))
        writer.close()
        assert path.read_bytes() == data


def test_a_torn_header_is_a_file_without_rows(tmp_path):
    path = tmp_path / "b"
    written(path)
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        assert read_blocks(path) == {}
        BlockWriter(path, SCHEMA).close()
        assert path.read_bytes() == data


def test_any_flipped_byte_of_a_block_ends_the_reading_before_it(tmp_path):
    path = tmp_path / "b"
    _, before, end = written(path, 3, 1, 5)
    data = path.read_bytes()
    for place in range(before, end):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        assert_rows(path, 4)


def test_a_corrupt_block_in_the_middle_hides_what_follows(tmp_path):
    path = tmp_path / "b"
    first, second, _ = written(path, 3, 1, 5)
    data = bytearray(path.read_bytes())
    data[second - 1] ^= 1
    path.write_bytes(data)
    assert_rows(path, 3)
    assert BlockWriter(path).size == first


def test_a_tail_of_zeros_holds_no_blocks(tmp_path):
    path = tmp_path / "b"
    written(path, 2)
    path.write_bytes(path.read_bytes() + bytes(64))
    assert_rows(path, 2)


def test_truncating_returns_to_an_earlier_size(tmp_path):
    path = tmp_path / "b"
    first, second, third = written(path, 3, 1, 5)
    writer = BlockWriter(path)
    assert writer.size == third
    writer.truncate(first)
    assert_rows(path, 3)
    writer.append(rows(3, 1))
    assert writer.size == second
    assert_rows(path, 4)
    writer.truncate(writer.header_size)
    assert_rows(path, 0)
    for size in (writer.header_size - 1, writer.size + 1):
        with pytest.raises(ValueError, match="cannot go back"):
            writer.truncate(size)


def test_truncating_inside_a_block_is_refused(tmp_path):
    first, *_ = written(tmp_path / "b", 3, 1)
    with pytest.raises(ValueError, match="no block ends"):
        BlockWriter(tmp_path / "b").truncate(first - 1)


def test_no_rows_write_no_block(tmp_path):
    writer = BlockWriter(tmp_path / "b", SCHEMA)
    size = writer.size
    writer.append(rows(0, 0))
    assert writer.size == size == (tmp_path / "b").stat().st_size


def test_mistaken_columns_are_refused_and_leave_the_file_alone(tmp_path):
    writer = BlockWriter(tmp_path / "b", SCHEMA)
    columns = rows(0, 3)
    with pytest.raises(ValueError, match="good"):
        writer.append({k: v for k, v in columns.items() if k != "good"})
    with pytest.raises(ValueError, match="extra"):
        writer.append({**columns, "extra": columns["seed"]})
    with pytest.raises(ValueError, match="differ in length"):
        writer.append({**columns, "value": columns["value"][:2]})
    with pytest.raises(TypeError):
        writer.append({**columns, "seed": columns["value"]})
    assert_rows(tmp_path / "b", 0)


def test_another_schema_is_refused(tmp_path):
    written(tmp_path / "b", 3)
    with pytest.raises(ValueError, match="columns are"):
        BlockWriter(tmp_path / "b", {"seed": "int64"})
    with pytest.raises(ValueError, match="fixed size"):
        BlockWriter(tmp_path / "c", {"seed": "object"})


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "b"
    headers = [
        b'{"pgx-blocks": 9, "columns": {"a": "<i8"}}\n',
        b'{"pgx-blocks": 1, "columns": [1]}\n',
    ]
    headers += [
        b'{"pgx-blocks": 1, "columns": %b}\n' % c for c in (b"{}", b'{"a": "O"}', b'{"a": "V0"}')
    ]
    for content in (b"seed,value\n1,2\n", b"PAR1", *headers):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a block file"):
            read_blocks(path)
        with pytest.raises(ValueError, match="not a block file"):
            BlockWriter(path, SCHEMA)
        assert path.read_bytes() == content


def test_a_strided_column_is_written_by_value(tmp_path):
    columns = {name: np.repeat(column, 2)[::2] for name, column in rows(0, 4).items()}
    writer = BlockWriter(tmp_path / "b", SCHEMA)
    writer.append(columns)
    assert_rows(tmp_path / "b", 4)


KILLED = """
import os, sys
import numpy as np
from pgx.tracking.blocks import BlockWriter

writer = BlockWriter(sys.argv[1], {"seed": "int64", "value": "float64", "good": "bool"})
index = np.arange(6)
writer.append({"seed": index, "value": index / 7, "good": index % 2 == 0})
os.kill(os.getpid(), 9)
"""


def test_a_killed_writer_leaves_every_row_it_appended(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "b")]
    assert subprocess.run(command, env=environment).returncode == -9
    assert_rows(tmp_path / "b", 6)


def test_a_whole_file_ends_with_a_whole_block(tmp_path):
    path = tmp_path / "b"
    _, second, _ = written(path, 3, 1, 5)
    data = path.read_bytes()
    assert len(read_blocks(path, whole=True)["seed"]) == 9
    damaged = bytearray(data)
    damaged[second - 1] ^= 1
    for content in (data[:-1], data + b"x", bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="its rows end at"):
            read_blocks(path, whole=True)


def test_a_growing_file_is_read_row_by_row_once(tmp_path):
    path = tmp_path / "b"
    writer = BlockWriter(path, SCHEMA)
    tail = BlockTail(path)
    assert len(tail.read()["seed"]) == 0
    writer.append(rows(0, 3))
    writer.append(rows(3, 1))
    assert tail.read()["seed"].tolist() == [0, 1, 2, 3]
    assert len(tail.read()["seed"]) == 0
    writer.append(rows(4, 2))
    found = tail.read()
    assert {name: column.tolist() for name, column in found.items()} == {
        name: column.tolist() for name, column in rows(4, 2).items()
    }
    path.unlink()
    writer.append(rows(6, 5))  # it is read on after it has lost its name
    assert tail.read()["seed"].tolist() == [6, 7, 8, 9, 10]
    tail.close()


def test_the_tail_waits_for_a_torn_block_and_a_torn_header(tmp_path):
    sizes = written(tmp_path / "whole", 2, 3)
    data = (tmp_path / "whole").read_bytes()
    path = tmp_path / "b"
    path.write_bytes(data[:5])
    tail = BlockTail(path)
    assert tail.read() == {}
    read = []
    for size in (20, sizes[0] - 1, sizes[0], sizes[0] + 7, sizes[1] - 1, sizes[1]):
        with path.open("ab") as file:
            file.write(data[path.stat().st_size : size])
        read.append(tail.read().get("seed", np.empty(0)).tolist())
    assert read == [[], [], [0, 1], [], [], [2, 3, 4]]


def test_there_is_no_tail_without_a_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        BlockTail(tmp_path / "b")
    (tmp_path / "b").write_text("something else\n")
    with pytest.raises(ValueError, match="not a block file"):
        BlockTail(tmp_path / "b").read()
