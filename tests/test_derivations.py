"""The pages: every formula on them holds, every equation is proved, every link leads somewhere."""

import random
from pathlib import Path

import pytest

from derivations.checker import links, pages, prove, smt, status, worlds
from derivations.checker import syntax as s
from derivations.checker.evaluate import Unsaid
from derivations.checker.parser import parse
from derivations.checker.tokens import FormulaError

ROOT = Path(__file__).resolve().parent.parent
PAGES = pages.read_all()
NAMED = pages.equations(PAGES)
prove.load()


@pytest.mark.parametrize("stem", sorted(PAGES))
def test_every_formula_holds(stem: str):
    """In random worlds, to 45 digits: named equations, and every other formula of the text."""
    for formula in PAGES[stem].formulas:
        worlds.examine(formula, NAMED)


@pytest.fixture(scope="module")
def how() -> dict[str, str]:
    return status.proofs(NAMED)


def test_every_equation_is_proved_as_the_status_table_says(how: dict[str, str]):
    """proofs() raises where one is not; `python -m derivations --write` renews the table."""
    assert status.printed(PAGES["README"].text) == status.table(PAGES, how)


def test_enough_of_it_is_checked(how: dict[str, str]):
    prose = {name for name, proof in how.items() if proof == "prose"}
    assert len(how) >= 60
    assert len(prose) <= len(how) / 10
    assert not any(NAMED[name].code for name in prose)


def test_rows_and_links_lead_somewhere():
    links.check_pages(PAGES)


def test_every_citation_names_an_equation():
    files = [path for name in ("ddpm_core", "property_tests", "tests") for path in
             (ROOT / name).rglob("*.py")]  # fmt: skip
    dead = [each for each in links.dead_citations(files, NAMED) if "test_derivations" not in each]
    assert not dead, "\n".join(dead)


def test_every_public_function_of_the_core_cites_an_equation():
    assert not links.silent_functions(ROOT / "ddpm_core")


def test_a_dead_citation_and_a_silent_function_are_seen(tmp_path: Path):
    source = (
        'def q_step():\n    """Eq. posterior.mean and posterior.median."""\n\ndef q():\n    "x"\n'
    )
    for stem in links.CORE:
        path = tmp_path / f"{stem}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    dead = links.dead_citations([tmp_path / "posterior.py"], NAMED)
    assert dead == [f"{tmp_path / 'posterior.py'}:2: posterior.median"]
    assert "posterior.py:4: q" in links.silent_functions(tmp_path)


# --- the judges can say no ------------------------------------------------------------------------


def test_z3_finds_a_counterexample_to_every_identity_with_a_turned_sign(how: dict[str, str]):
    """The negative control: no set of facts is so contradictory that it proves anything."""
    for name, proof in how.items():
        if proof == "z3":
            claim = prove.Claim(NAMED[name], NAMED)
            assert smt.proved(wrong(claim.relation), claim.reals()) is False, name


def wrong(relation: s.Relation) -> s.Relation:
    """Its last member plus one, of an equality; its first sign turned, of an inequality."""
    if relation.signs[0] != "=":
        turned = {"<": ">", ">": "<", "<=": ">", ">=": "<"}[relation.signs[0]]
        return s.Relation(relation.members, (turned, *relation.signs[1:]))
    one = parse("1", {}).members[0]
    last = s.Sum(((1, relation.members[-1]), (1, one)))
    return s.Relation((*relation.members[:-1], last), relation.signs)


def test_a_missing_root_is_said_with_its_place():
    """What somebody reads who drops a root from the text of posterior.mean."""
    page = PAGES["posterior"]
    whole = page.equations["posterior.mean"].formula.text
    rootless = whole.replace(r"\sqrt{\bar{\alpha}_s}", r"\bar{\alpha}_s", 1)
    text = page.text.replace(whole, rootless)
    assert text != page.text
    changed = pages.read(page.path, PAGES["README"].declared, text)
    formula = changed.equations["posterior.mean"].formula
    with pytest.raises(worlds.Untrue, match=r"posterior\.md:\d+:1: posterior\.mean is not so"):
        worlds.examine(formula, NAMED | changed.equations)
    with pytest.raises(prove.Unproved, match="completing the square gives the mean"):
        prove.prove(changed.equations["posterior.mean"], NAMED | changed.equations)


# --- bad pages ------------------------------------------------------------------------------------

HEAD = """# A page

| Symbol | Is | Meaning |
|---|---|---|
| $`y`$ | real | a number |
| $`f(y)`$ | function | of it |

"""
SECTION = """### bad.one

```math
f(y) = y^2
\\tag{bad.one}
```

| | |
|---|---|
| Assumes | nothing |
| Uses | definition |
| Code | - |
| Checked by | proof |
| Source | here |
"""


def test_a_good_page_is_read(tmp_path: Path):
    page = read(tmp_path, HEAD + SECTION)
    assert list(page.equations) == ["bad.one"]
    links.check_pages({"bad": page})


@pytest.mark.parametrize(
    ("old", "new", "place", "sentence"),
    [
        ("### bad.one", "### other.one", "8:5", "is no name of an equation of this page"),
        ("### bad.one", "### bad.One", "8:5", "small letters"),
        ("\\tag{bad.one}", "\\tag{bad.two}", "12:6", "stands under the heading bad.one"),
        ("y^2\n", "y^2\n\\tag{bad.one}\n", "12:14", "the tag stands at the end"),
        ("= y^2", "= w^2", "11:8", "w is not declared on this page"),
        ("= y^2", "= {y^2", "11:12", "expected }, found the end"),
        ("= y^2", "= y_1", "11:8", "y is a real and has no index"),
        ("= y^2", r"= \operatorname{g}", "11:8", "GitHub refuses"),
        ("= y^2", r"= \sin y f(y)", "11:15", "part of its argument"),
        ("= y^2", "= y^12", "11:10", "only the 1 of 12 would be set"),
        ("f(y) = y^2", "f(y)", "11:1", "states nothing"),
        ("f(y) = y^2", "f(2) = y^2", "11:1", "with other indices or arguments"),
        ("| Code | - |\n", "", "8:1", "found are Assumes, Uses, Checked by, Source"),
        ("| real |", "| complex |", "5:11", "complex is no kind"),
        ("# A page", "# A page for $5", "1:14", "write $`...`$ in a line"),
    ],
)
def test_a_bad_page_is_refused_at_its_place(
    tmp_path: Path, old: str, new: str, place: str, sentence: str
):
    with pytest.raises(pages.PageError) as refused:
        read(tmp_path, (HEAD + SECTION).replace(old, new, 1))
    assert str(refused.value).startswith(f"derivations/bad.md:{place}: "), refused.value
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("| Code | - |", "| Code | `ddpm_core.posterior:p` |", "names nothing"),
        ("| Checked by | proof |", "| Checked by | by hand |", "write the tests in backquotes"),
        ("| Checked by | proof |", "| Checked by | `tests/no.py::test` |", "names no test"),
        ("| Uses | definition |", "| Uses | nothing |", "it uses nothing and is no definition"),
        (
            "| Uses | definition |",
            "| Uses | [bad.two](bad.md#badtwo) |",
            "no heading with the anchor",
        ),
        ("| Uses | definition |", "| Uses | [bad.one](bad.md#badone) |", "go round in a circle"),
        ("# A page", "# [A page](other.md)", "is no page"),
        ("# A page", "# ![A page](other.png)", "there is no file other.png"),
    ],
)
def test_a_dead_row_or_link_is_refused(tmp_path: Path, old: str, new: str, sentence: str):
    page = read(tmp_path, (HEAD + SECTION).replace(old, new, 1))
    with pytest.raises(pages.PageError, match=r"^derivations/bad\.md:\d+:\d+: ") as refused:
        links.check_pages({"bad": page})
    assert sentence in str(refused.value)


def test_two_equations_of_one_name_are_refused(tmp_path: Path):
    (tmp_path / "README.md").write_text("# Nothing\n")
    (tmp_path / "bad.md").write_text(HEAD + SECTION + "\n" + SECTION)
    with pytest.raises(pages.PageError, match=r"bad\.one has two blocks"):
        pages.read_all(tmp_path)


def test_a_display_that_nobody_reads_gives_its_reason(tmp_path: Path):
    other = "\n```math\nf(y) \\approx y\n```\n"
    with pytest.raises(pages.PageError, match="is no name, number or known command"):
        read(tmp_path, HEAD + other)
    page = read(tmp_path, HEAD + "\n<!-- prose: nearness has no meaning here -->" + other)
    assert [each.prose for each in page.formulas] == ["nearness has no meaning here"]


def read(folder: Path, text: str) -> pages.Page:
    path = folder / "bad.md"
    path.write_text(text)
    return pages.read(path, {})


# --- the reader of formulas -----------------------------------------------------------------------

DECLARED = {"x": "sequence", "t": "level", "s": "level", "a": "real", "f": "function"}


@pytest.mark.parametrize(
    "text",
    [
        *("a +", "a )", "x", "x_", "f", "f a", r"\frac{a}", r"\sqrt a", "a ! ", "a_1", "a | a"),
        *(r"\sum_{t=1}^{3} a", r"\lVert a \rVert", r"\mathbb{E}[a]", "a / a a", "é", "a^", "=a"),
        *(r"\hat{a", r"\unknown", r"\nabla a", "f(a \\mid a \\mid a)", "x_{1"),
    ],
)
def test_what_is_not_known_for_sure_is_an_error(text: str):
    with pytest.raises(FormulaError):
        parse(text, DECLARED)


def test_noise_is_refused_or_read_but_never_breaks_the_reader():
    """Whatever stands there, the answer is a relation or a sentence."""
    chance = random.Random(0)
    words = [
        "a",
        "x_t",
        "\\frac",
        "{",
        "}",
        "(",
        ")",
        "+",
        "-",
        "=",
        "^2",
        "\\sqrt",
        "f",
        "\\mid",
        ",",
    ]
    for _ in range(3000):
        text = " ".join(chance.choices(words, k=chance.randint(1, 12)))
        offset = refused_at(text)
        assert offset is None or 0 <= offset <= len(text)


def refused_at(text: str) -> int | None:
    try:
        parse(text, DECLARED)
    except FormulaError as error:
        return error.offset
    return None


def test_a_formula_without_a_meaning_says_so(tmp_path: Path):
    """No definition: f is declared, and nothing says what it is."""
    unsaid = SECTION.replace("| Uses | definition |", "| Uses | [bad.one](bad.md#badone) |")
    page = read(tmp_path, HEAD + unsaid)
    with pytest.raises(Unsaid, match=r"bad\.md:\d+:1: .* has no meaning"):
        worlds.examine(page.equations["bad.one"].formula, page.equations)
