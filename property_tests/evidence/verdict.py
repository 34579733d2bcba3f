"""Verdict of a failed check: a wrong formula, lost digits, or another convention.

A failed check is repeated with the allowance of any correct program that computes in float32 and
stores the products alpha_bar_t. If it passes, digits were lost, and no formula is wrong.
"""

from collections.abc import Callable

import pytest
from hypothesis.errors import Unsatisfiable

from ..oracles.table import NoDigitsError, through_a_float32_table
from ..protocol.contract import NOT_OFFERED
from ..protocol.nouns import CONVENTION, DIGITS, FORMULA, Deviation
from . import evidence
from .evidence import Evidence

TOO_FEW = "too few: "  # a skip with this reason has its own column in the report
DEVIATES = "deviates: "  # and so has an expected failure with this one
FAILURES = (Exception, pytest.fail.Exception)


def judge(
    run: Callable[[], None], asked: int, convention: bool = False, listed: Deviation | None = None
) -> None:
    """Run a check: raise its failure, skip it if too little is offered, or xfail as it is listed.

    asked: the number of examples it asks for, 0 if it has none. convention: whether a failure that
    is no rounding is a convention. A check that deviates otherwise than listed, or not at all,
    fails.
    """
    __tracebackhide__ = True
    failure: BaseException | None = None
    try:
        run()
    except pytest.skip.Exception as skipped:
        if listed is not None:
            _expect(listed, None, str(skipped))
        raise
    except Unsatisfiable:
        if not evidence.current().declined:
            raise
    except FAILURES as error:
        found, failure = verdict_of(error, run)
        evidence.current().verdict = CONVENTION if convention and found == FORMULA else found
    seen = evidence.current()
    missing = None if failure else _missing(seen, asked)
    if listed is not None:
        _expect(listed, failure, missing)
    if failure is not None:
        raise failure
    if missing is not None:
        pytest.skip(missing)
    seen.examples = max(seen.examples, 1)


def verdict_of(error: BaseException, repeat: Callable[[], None]) -> tuple[str, BaseException]:
    """Return the verdict of a check that failed, and the error to report.

    A formula is wrong if the check fails again; that failure is reported, with its evidence. Else
    digits were lost, and the first failure is reported.
    """
    first = evidence.current()
    if not isinstance(error, AssertionError) or any(claim.rejected for claim in first.claims):
        return FORMULA, error
    evidence.resume(Evidence())
    try:
        with through_a_float32_table():
            repeat()
    except (NoDigitsError, Unsatisfiable):  # nothing is left that could be wrong
        pass
    except FAILURES as again:
        return FORMULA, again
    evidence.resume(first)
    return DIGITS, error


def _missing(seen: Evidence, asked: int) -> str | None:
    """Return why a check compared no example, or fewer than a third of those it asks for."""
    if not seen.discarded:
        return None
    why = ", ".join(f"{name} ({why})" if why else name for name, why in seen.declined.items())
    asked = asked or seen.examples + seen.discarded
    if not seen.examples:
        return f"{NOT_OFFERED}{why}"
    few = f"{TOO_FEW}{seen.examples} of {asked} examples, not offered for others: {why}"
    return few if 3 * seen.examples < asked else None


def _expect(listed: Deviation, failure: BaseException | None, missing: str | None) -> None:
    """Xfail if the check deviates as listed, and fail otherwise."""
    __tracebackhide__ = True
    verdict = evidence.current().verdict
    if missing is not None:
        pytest.fail(f"a deviation, but {missing}", pytrace=False)
    if failure is None:
        sentence = f"a listed deviation passes: remove it from the list ({listed.reason})"
        pytest.fail(sentence, pytrace=False)
    if verdict != listed.verdict:
        sentence = f"a deviation listed as {listed.verdict}, but its verdict is {verdict}"
        raise AssertionError(f"{sentence}: {failure}") from failure
    pytest.xfail(DEVIATES + " | ".join(listed[:3]))
