"""The pages: every formula on them holds, every equation is proved, every link leads somewhere."""

from pathlib import Path

import pytest

from derivations.checker import links, pages, prove, smt, status, worlds
from derivations.checker import syntax as s
from derivations.checker.parser import parse

ROOT = Path(__file__).resolve().parents[2]
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
