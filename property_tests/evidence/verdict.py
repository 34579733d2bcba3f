"""Verdict of a failed check: a wrong formula, lost digits, or another convention.

A failed check is repeated with the allowance of any correct program that computes in float32 and
stores the products alpha_bar_t. If it passes, digits were lost, and no formula is wrong.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis.errors import Unsatisfiable

from ..oracles.table import NoDigitsError, through_a_float32_table
from . import evidence
from .evidence import Evidence

FORMULA, DIGITS, CONVENTION = "formula", "digits", "convention"
VERDICTS = (FORMULA, DIGITS, CONVENTION)  # in the order of the summary


def verdict_of(error: BaseException, repeat: Callable[[], Any]) -> tuple[str, BaseException]:
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
    except (Exception, pytest.fail.Exception) as again:
        return FORMULA, again
    evidence.resume(first)
    return DIGITS, error
