"""What W&B averages over a group is one arm in one environment."""

from __future__ import annotations

from pathlib import Path

from pgx.study import Place, Study, write_study
from pgx.tracking.run_names import LONGEST, environments, group_name


def test_a_group_names_the_environment_only_where_there_are_several() -> None:
    assert group_name("lectures", "x", None) == "lectures/x"
    assert group_name("lectures", "x", "chain") == "lectures/x/chain"
    long = [group_name("lectures", "x" * 200, place) for place in ("chain", "corridor")]
    assert len(set(long)) == 2
    assert {len(name) for name in long} == {LONGEST}


def test_how_many_environments_is_read_from_the_study_beside_the_arms(tmp_path: Path) -> None:
    folder = tmp_path / "lectures"
    assert environments(folder) == 1
    for slugs in (("corridor",), ("corridor", "chain")):
        places = {slug: Place(slug, slug, 70) for slug in slugs}
        study = Study("lectures", "?", ".", "x", "area", 2, (0,), places, {"x": ()})
        write_study(tmp_path, study)
        assert environments(folder) == len(slugs)
    (folder / "study.json").write_text("[1, 2")
    assert environments(folder) == 1
