"""Tables for W&B: whatever a label says, it stays a label."""

from __future__ import annotations

import pytest

from pgx.sharing.markdown import escaped, table
from pgx.sheets import Sheet


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("plain words, 1.5 - 2", "plain words, 1.5 - 2"),
        ("a|b", r"a\|b"),
        ("*x* _y_ `z` ~w~", r"\*x\* \_y\_ \`z\` \~w\~"),
        ("[a](http://b)", r"\[a\]\(http:&#47;/b\)"),
        ("see www.b.org", "see www&#46;b.org"),
        ("<b>&amp;</b>", "&lt;b&gt;&amp;amp;&lt;/b&gt;"),
        ("$x^2$", r"\$x\^2\$"),
        ("one\ntwo\x1b[2J\u202ethree", r"one two \[2J three"),
        ("\\|", r"\\\|"),
    ],
)
def test_signs_mean_themselves(words: str, shown: str) -> None:
    assert escaped(words) == shown


def test_a_table_has_its_title_and_its_notes() -> None:
    sheet = Sheet("on p|q", ("arm", "n", "IQM"), (("x|y", 3, 1.25), ("z", 4, None)), ("a note",))
    assert table(sheet).splitlines() == [
        *("**on p\\|q**", "", "| arm | n | IQM |", "| --- | ---: | ---: |"),
        *("| x\\|y | 3 | 1.2 |", "| z | 4 | – |", "", "a note"),
    ]
