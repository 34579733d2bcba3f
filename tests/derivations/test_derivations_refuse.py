"""Bad pages and bad formulas: an error with the position, the rule and the remedy."""

import random
from pathlib import Path

import pytest

from derivations.checker import links, pages, random_instances
from derivations.checker.evaluate import Undefined
from derivations.checker.parser import parse
from derivations.checker.tokens import FormulaError
from tests.derivations.small_page import HEAD, SECTION, read

PAGES = pages.read_all()


def test_a_good_page_is_parsed(tmp_path: Path):
    page = read(tmp_path, HEAD + SECTION)
    assert list(page.equations) == ["bad.one"]
    links.check_pages({"bad": page})


@pytest.mark.parametrize(
    ("old", "new", "place", "sentence"),
    [
        ("### bad.one", "### other.one", "8:5", "is not a name of an equation on this page"),
        ("### bad.one", "### bad.One", "8:5", "lower-case letters"),
        ("\\tag{bad.one}", "\\tag{bad.two}", "12:6", "is under the heading bad.one"),
        ("y^2\n", "y^2\n\\tag{bad.one}\n", "12:14", "the tag must be at the end"),
        ("= y^2", "= w^2", "11:8", "w is not declared on this page"),
        ("= y^2", "= {y^2", "11:12", "expected }, found the end"),
        ("= y^2", "= y_1", "11:8", "y is a real and has no index"),
        ("= y^2", r"= \operatorname{g}", "11:8", "GitHub refuses"),
        ("= y^2", r"= \sin y f(y)", "11:15", "part of its argument"),
        ("= y^2", "= y^12", "11:10", "only 1 of 12 would be typeset"),
        ("f(y) = y^2", "f(y)", "11:1", "states nothing"),
        ("f(y) = y^2", "f(2) = y^2", "11:1", "with other indices or arguments"),
        ("| Code | - |\n", "", "8:1", "found are Assumes, Uses, Checked by, Source"),
        ("| real |", "| complex |", "5:11", "complex is not a kind"),
        ("| Code | - |", "| Code |", "8:1", "found are Assumes, Uses, Checked by, Source"),
        ("= y^2", "= 1 2", "11:10", "two adjacent numbers"),
        ("= y^2", "= y \\\\ y = y", "11:10", "a continued line starts with a sign"),
        ("| Assumes | nothing |", "| Assumes | 0 <= y |", "17:1", "Write a condition as $`0 \\le"),
        ("= y^2", f"= {'(' * 99}y{')' * 99}", "11:48", "brackets are nested more than 40 deep"),
    ],
)
def test_a_bad_page_is_refused_at_its_position(
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
        (
            "| Code | - |",
            "| Code | `ddpm_core.posterior:q_posterior` |",
            "cites no equation of this page; add Eq. bad.one",
        ),
        ("| Checked by | proof |", "| Checked by | by hand |", "write the tests in backquotes"),
        ("| Checked by | proof |", "| Checked by | `tests/no.py::test` |", "names no test"),
        ("| Uses | definition |", "| Uses | nothing |", "it uses nothing and is not a definition"),
        (
            "| Uses | definition |",
            "| Uses | [bad.two](bad.md#badtwo) |",
            "no heading with the anchor",
        ),
        ("| Uses | definition |", "| Uses | [bad.one](bad.md#badone) |", "Uses form a cycle"),
        ("# A page", "# [A page](other.md)", "is not a page"),
        ("# A page", "# ![A page](other.png)", "there is no file other.png"),
        (
            "| Checked by | proof |",
            "| Checked by | `tests/derivations/test_derivations.py::read` |",
            "names no test",
        ),
        ("f(y) = y^2", "f(y) = f(y)", "it holds for any values of its symbols, so it says"),
        ("| Code | - |", "| Code | `derivations/README.md` |", "names nothing"),
        ("| Code | - |", "| Code | `/etc/hostname` |", "names nothing"),
        (
            "| Uses | definition |",
            "| Uses | identity; [bad.one](bad.md#badone) |",
            "it depends on the meaning of its symbols",
        ),
    ],
)
def test_a_dead_row_or_link_is_refused(tmp_path: Path, old: str, new: str, sentence: str):
    page = read(tmp_path, (HEAD + SECTION).replace(old, new, 1))
    with pytest.raises(pages.PageError, match=r"^derivations/bad\.md:\d+:\d+: ") as refused:
        links.check_pages({"bad": page})
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("stem", "old", "new", "sentence"),
    [
        (
            "ema",
            "| Uses | identity; ",
            "| Uses | ",
            "if that is intended, begin with identity;",
        ),
        (
            "posterior",
            r"\tilde{\beta}_{0 \mid t} = 0",
            r"\tilde{\beta}_{0 \mid t} = \tilde{\beta}_{0 \mid t}",
            "it holds for any values of its symbols, so it says nothing about them",
        ),
        (
            "posterior",
            r"\frac{q(x_t \mid x_s) q(x_s \mid x_0)}{q(x_t \mid x_0)}",
            r"q(x_s \mid x_t, x_0)",
            "if that is intended, begin with identity;",
        ),
        (
            "posterior",
            r"| Assumes | $`0 \le s < t \le T`$",
            r"| Assumes | $`0 \le s \le t \le T`$",
            "every step goes to an earlier timestep; write s < t",
        ),
        (
            "posterior",
            "`property_tests/test_posterior.py::test_mean_and_variance_match_bayes`",
            "proof",
            "it has code, so that a test has to be named",
        ),
        (
            "schedules",
            "`ddpm_core.schedules:Schedule.log_snr`",
            "`ddpm_core.schedules:_running_sum`",
            "`ddpm_core.schedules:_running_sum` cites no equation of this page",
        ),
    ],
)
def test_an_empty_or_unchecked_equation_is_refused(stem: str, old: str, new: str, sentence: str):
    page = PAGES[stem]
    assert old in page.text
    changed = pages.read(page.path, PAGES["README"].declared, page.text.replace(old, new, 1))
    with pytest.raises(pages.PageError, match=rf"derivations/{stem}\.md:\d+:1: .*") as refused:
        links.check_pages({**PAGES, stem: changed})
    assert sentence in str(refused.value)


@pytest.mark.parametrize("stem", ["index", "graph", "two words", "a-b", "Bad"])
def test_a_page_that_is_not_named_like_a_module_is_refused(tmp_path: Path, stem: str):
    (tmp_path / "README.md").write_text("# Nothing\n")
    (tmp_path / f"{stem}.md").write_text("# A page\n")
    with pytest.raises(pages.PageError, match=f"{stem}.md: a page is named like a module"):
        pages.read_all(tmp_path)


def test_unreadable_text_is_refused_at_its_position(tmp_path: Path):
    (tmp_path / "bad.md").write_bytes(b"# A page\n\ncaf\xe9\n")
    with pytest.raises(pages.PageError, match=r"bad\.md:3:4: the byte 0xe9 is not UTF-8"):
        pages.read(tmp_path / "bad.md", {})
    with pytest.raises(pages.PageError, match=r"README\.md: it cannot be read: No such file"):
        pages.read_all(tmp_path)


@pytest.mark.parametrize("text", ["2^{2^{2^{2^{2}}}} = 1", r"\sum_{i=1}^{9999999} 1 = 2"])
def test_a_formula_that_never_ends_is_refused(tmp_path: Path, text: str):
    page = read(tmp_path, f"{HEAD}\nSo $`{text}`$.\n")
    with pytest.raises(Undefined, match=r"(an exponent|more than) .*1000"):
        random_instances.check_formula(page.formulas[-1], {})


@pytest.mark.parametrize("text", ["1 = 2", r"\frac{1}{0} = 1", r"\sqrt{1 - 2} = 5"])
def test_a_formula_of_numbers_is_checked_too(tmp_path: Path, text: str):
    page = read(tmp_path, f"{HEAD}\nSo $`{text}`$.\n")
    with pytest.raises((random_instances.Counterexample, Undefined), match=r"bad\.md:\d+:6: "):
        random_instances.check_formula(page.formulas[-1], {})


def test_two_equations_with_one_name_are_refused(tmp_path: Path):
    (tmp_path / "README.md").write_text("# Nothing\n")
    (tmp_path / "bad.md").write_text(HEAD + SECTION + "\n" + SECTION)
    with pytest.raises(pages.PageError, match=r"bad\.one has two blocks"):
        pages.read_all(tmp_path)


def test_a_display_that_is_not_parsed_needs_a_reason(tmp_path: Path):
    other = "\n```math\nf(y) \\approx y\n```\n"
    with pytest.raises(pages.PageError, match="is not a name, a number or a known command"):
        read(tmp_path, HEAD + other)
    page = read(tmp_path, HEAD + "\n<!-- prose: approximation is not defined here -->" + other)
    assert [each.prose for each in page.formulas] == ["approximation is not defined here"]


# --- the parser of formulas -----------------------------------------------------------------------

DECLARED = {"x": "sequence", "t": "integer", "s": "integer", "a": "real", "f": "function"}


@pytest.mark.parametrize(
    "text",
    [
        *("a +", "a )", "x", "x_", "f", "f a", r"\frac{a}", r"\sqrt a", "a ! ", "a_1", "a | a"),
        *(r"\sum_{t=1}^{3} a", r"\lVert a \rVert", r"\mathbb{E}[a]", "a / a a", "é", "a^", "=a"),
        *(r"\hat{a", r"\unknown", r"\nabla a", "f(a \\mid a \\mid a)", "x_{1"),
    ],
)
def test_ambiguous_input_is_an_error(text: str):
    with pytest.raises(FormulaError):
        parse(text, DECLARED)


def test_random_input_gives_a_relation_or_an_error_with_its_offset():
    rng = random.Random(0)
    tokens = [
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
        text = " ".join(rng.choices(tokens, k=rng.randint(1, 12)))
        offset = error_offset(text)
        assert offset is None or 0 <= offset <= len(text)


def error_offset(text: str) -> int | None:
    try:
        parse(text, DECLARED)
    except FormulaError as error:
        return error.offset
    return None


def test_an_undefined_function_is_an_error(tmp_path: Path):
    """f is declared, but nothing defines it."""
    undefined = SECTION.replace("| Uses | definition |", "| Uses | [bad.one](bad.md#badone) |")
    page = read(tmp_path, HEAD + undefined)
    with pytest.raises(Undefined, match=r"bad\.md:\d+:1: .* has neither a definition nor"):
        random_instances.check_formula(page.equations["bad.one"].formula, page.equations)


def test_a_core_symbol_without_its_index_is_an_error(tmp_path: Path):
    """w_k is a weight of the data mixture, whatever a page declares."""
    page = read(
        tmp_path, HEAD.replace("$`y`$", "$`w`$").replace("f(y)", "f(w)") + "So $`w = 1`$.\n"
    )
    with pytest.raises(Undefined, match=r"bad\.md:\d+:\d+: .*w is a core symbol and has no value"):
        random_instances.check_formula(page.formulas[-1], {})
