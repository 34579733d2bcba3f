"""The derivation pages: every formula holds, every equation is proved, every link resolves."""

from pathlib import Path

import pytest

from derivations.checker import links, pages, prove, random_instances, smt, status
from derivations.checker import syntax as s
from derivations.checker.parser import parse

ROOT = Path(__file__).resolve().parents[2]
PAGES = pages.read_all()
NAMED = pages.equations(PAGES)
prove.load()


@pytest.mark.parametrize("stem", sorted(PAGES))
def test_every_formula_holds(stem: str):
    """In random instances, to 45 digits: named equations and all other formulas."""
    for formula in PAGES[stem].formulas:
        random_instances.check_formula(formula, NAMED)


@pytest.fixture(scope="module")
def methods() -> dict[str, str]:
    return status.proof_methods(NAMED)


def test_every_equation_is_proved_as_the_status_table_says(methods: dict[str, str]):
    """`python -m derivations --write` updates the table."""
    assert status.current_table(PAGES["README"].text) == status.table(PAGES, methods)


def test_at_most_a_tenth_of_the_equations_is_unchecked(methods: dict[str, str]):
    prose = {name for name, proof in methods.items() if proof == "prose"}
    assert len(methods) >= 60
    assert len(prose) <= len(methods) / 10
    assert not any(NAMED[name].code for name in prose)


def test_rows_and_links_resolve():
    links.check_pages(PAGES)


def test_every_citation_names_an_equation():
    files = [path for name in ("ddpm_core", "property_tests", "tests") for path in
             (ROOT / name).rglob("*.py")]  # fmt: skip
    dead = [each for each in links.dead_citations(files, NAMED) if "test_derivations" not in each]
    assert not dead, "\n".join(dead)


def test_every_public_function_of_the_core_cites_an_equation():
    assert links.uncited_functions() == []


def test_a_dead_citation_and_an_uncited_function_are_reported(tmp_path: Path):
    source = (
        'def q_step():\n    """Eq. posterior.mean and posterior.median."""\n\ndef q():\n    "x"\n'
    )
    (tmp_path / "posterior.py").write_text(source)
    dead = links.dead_citations([tmp_path / "posterior.py"], NAMED)
    assert dead == [f"{tmp_path / 'posterior.py'}:2: posterior.median"]
    (uncited,) = links.uncited_functions(tmp_path)
    assert uncited.startswith("ddpm_core/posterior.py:4: q cites no equation")


# --- negative controls of the provers -------------------------------------------------------------


def test_z3_finds_a_counterexample_to_every_falsified_identity(methods: dict[str, str]):
    """Negative control: no set of facts is contradictory, which would prove anything."""
    for name, proof in methods.items():
        if proof == "z3":
            claim = prove.Claim(NAMED[name], NAMED)
            assert smt.proved(falsified(claim.relation), claim.reals()) is False, name


def falsified(relation: s.Relation) -> s.Relation:
    """Add one to the last member of an equality; reverse the first sign of an inequality."""
    if relation.signs[0] != "=":
        reversed_sign = {"<": ">", ">": "<", "<=": ">", ">=": "<"}[relation.signs[0]]
        return s.Relation(relation.members, (reversed_sign, *relation.signs[1:]))
    one = parse("1", {}).members[0]
    last = s.Sum(((1, relation.members[-1]), (1, one)))
    return s.Relation((*relation.members[:-1], last), relation.signs)


def test_a_dropped_root_is_reported_with_its_position():
    """Drop a root from the text of posterior.mean."""
    page = PAGES["posterior"]
    original = page.equations["posterior.mean"].formula.text
    rootless = original.replace(r"\sqrt{\bar{\alpha}_s}", r"\bar{\alpha}_s", 1)
    text = page.text.replace(original, rootless)
    assert text != page.text
    changed = pages.read(page.path, PAGES["README"].declared, text)
    formula = changed.equations["posterior.mean"].formula
    expected = r"posterior\.md:\d+:1: posterior\.mean does not hold"
    with pytest.raises(random_instances.Counterexample, match=expected):
        random_instances.check_formula(formula, NAMED | changed.equations)
    with pytest.raises(prove.Unproved, match="completing the square gives the mean"):
        prove.prove(changed.equations["posterior.mean"], NAMED | changed.equations)
