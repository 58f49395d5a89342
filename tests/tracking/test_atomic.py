"""A file is replaced whole or not at all, and only its own temporaries are removed."""

from __future__ import annotations

import pytest

from pgx.tracking.atomic import remove_stale, replacing


def test_the_file_before_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "[f]"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        assert len(list(tmp_path.iterdir())) == 2
    assert path.read_bytes() == b"new"
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_only_what_replaced_this_file_is_stale(tmp_path):
    kept = (".b.1.tmp", "a.1.tmp", ".a.1", "a", ".[a].1.tmp")
    for name in (*kept, ".a.1.tmp", ".a.22.tmp"):
        (tmp_path / name).touch()
    remove_stale(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
