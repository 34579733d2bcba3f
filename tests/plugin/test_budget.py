"""--ddpm-budget: the checks that have not begun when it is spent are not run, and do not pass."""

from types import SimpleNamespace

import pytest

from ddpm_core.plugin.budget import ENDS, Budget, is_not_run


def budget(given: str | None, **config) -> Budget:
    return Budget(SimpleNamespace(getoption={"ddpm_budget": given}.__getitem__, **config))


@pytest.mark.parametrize("given", ["soon", "0", "-3", "nan", "inf", ""])
def test_invalid_budget_is_refused_in_one_sentence(given):
    with pytest.raises(pytest.UsageError, match=f"--ddpm-budget {given}: use a positive number"):
        budget(given)


def test_check_is_skipped_once_the_budget_is_spent():
    budget(None).check()
    budget("60").check()
    spent = budget("1e-9")
    with pytest.raises(pytest.skip.Exception, match="not run: --ddpm-budget 1e-09 was spent"):
        spent.check()


def test_workers_share_the_end_of_the_run():
    first, node = budget("60"), SimpleNamespace(workerinput={})
    first.pytest_configure_node(node)
    later = budget("60", workerinput=node.workerinput)
    assert later.ends == first.ends
    assert budget("60", workerinput={ENDS: 0.0}).ends == 0.0


@pytest.mark.parametrize(
    ("skipped", "longrepr", "not_run"),
    [
        (True, ("conftest.py", 1, "Skipped: not run: --ddpm-budget 3 was spent"), True),
        (True, ("contract.py", 1, "Skipped: not offered: q_step"), False),
        (False, "not run: a failure that says so", False),
    ],
)
def test_only_what_the_budget_skipped_was_not_run(skipped, longrepr, not_run):
    assert is_not_run(SimpleNamespace(skipped=skipped, longrepr=longrepr)) == not_run
