"""Markdown that the checker does not read as a browser shows it is refused at its position."""

from pathlib import Path

import pytest

from derivations.checker import markdown
from derivations.checker.pages import HERE, PageError
from tests.derivations.small_page import HEAD, SECTION, read


@pytest.mark.parametrize(
    ("old", "new", "place", "sentence"),
    [
        ("# A page", "# A page for $5", "1:14", "write $`...`$ in a line"),
        ("```math", "~~~math", "10:1", "~~~ starts nothing that is parsed"),
        ("```math", "``` math", "10:1", "``` starts nothing that is parsed"),
        ("```\n", "", "10:1", "``` starts nothing that is parsed"),
        ("| here |", "| here $`y |", "21:17", "$ starts nothing that is parsed"),
        ("```math", "```Math", "10:1", "``` starts nothing that is parsed"),
        ("# A page", "# A <script>page", "1:5", "<script> is not checked"),
        ("# A page", '# A [page](bad.md "title")', "1:10", "is not checked"),
        ("# A page", "# A page\n[it]: gone.md", "2:1", "[it]: is not checked"),
        ("# A page", "# A $`w = y`$", "1:7", "w is not declared on this page"),
        ("```math", "> ```math", "10:3", "``` starts nothing that is parsed"),
        ("# A page", "# A page\n- So $`y\n  = y`$", "2:8", "write a formula on one line"),
        ("# A page", "# A page\n\n    $`y = y`$", "3:5", "$ starts nothing that is parsed"),
        ("# A page", "# A page\n<details>$`y = y`$", "2:10", "$ starts nothing that is parsed"),
        ("# A page", "# A page\n<!-- $`y = y`$ -->", "2:6", "$ starts nothing that is parsed"),
        ("# A page", "# ![$`y = y`$](bad.md)", "1:5", "$ starts nothing that is parsed"),
        ("# A page", "Words.\n# A page", "1:1", "a page starts with a heading"),
        ("| here |", "| here | $`y = y`$ |", "21:16", "is outside the columns of its table"),
        ("| here |", r"| $`\|y\| = y`$ |", "21:1", r"write \mid in a table"),
    ],
)
def test_a_page_that_is_read_in_two_ways_is_refused(
    tmp_path: Path, old: str, new: str, place: str, sentence: str
):
    with pytest.raises(PageError) as refused:
        read(tmp_path, (HEAD + SECTION).replace(old, new, 1))
    assert str(refused.value).startswith(f"derivations/bad.md:{place}: "), refused.value
    assert sentence in str(refused.value)


@pytest.mark.parametrize("path", sorted(HERE.glob("*.md")), ids=lambda path: path.stem)
def test_formulas_and_cells_stand_at_their_offsets(path: Path):
    text = path.read_text(encoding="utf-8")
    for section in markdown.read(text):
        assert text.startswith(section.heading.text, section.heading.offset)
        for latex in section.formulas:
            fence = ("```math\n", "```") if latex.is_block else ("$`", "`$")
            start = latex.offset - len(fence[0])
            assert text.startswith(latex.text.join(fence), start)
        for cell in (cell for row in section.rows for cell in row):
            assert text.startswith(cell.text, cell.offset)


def test_every_formula_is_found_once_and_in_its_order():
    table = "| $`f`$ | g |\n|---|---|\n| $`h`$ | $`i`$ |\n"
    text = f"# A $`a`$\n\nSo $`b`$, [$`c`$](x.md).\n\n```math\nd\n```\n> $`e`$\n\n{table}"
    (section,) = markdown.read(text)
    assert [each.text.strip() for each in section.formulas] == list("abcdefhi")
    assert [[cell.text for cell in row] for row in section.rows] == [
        ["$`f`$", "g"],
        ["$`h`$", "$`i`$"],
    ]
