"""Every known bug fails the property it names; no benign variant is flagged."""

import pytest

from ..known_bugs import BENIGN_VARIANTS, BUGS, KnownBug
from ..known_bugs.readme import PAGE, page, saved_effects
from ..known_bugs.run import CAUGHT, run_on_correct_code, run_property


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_known_bug_is_caught(bug: KnownBug):
    with pytest.raises(CAUGHT):
        run_property(bug)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_catching_property_passes_without_the_bug(bug: KnownBug):
    """Verify that the failure is caused by the bug."""
    run_on_correct_code(bug.caught_by, bug.arguments)


@pytest.mark.parametrize("variant", BENIGN_VARIANTS, ids=lambda bug: bug.id)
def test_benign_variant_is_not_flagged(variant: KnownBug):
    run_property(variant)


def test_readme_table_is_up_to_date():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(saved_effects()), "run python -m property_tests.known_bugs.readme"
    assert {bug.id for bug in BUGS} == {name for name, effect in saved_effects().items() if effect}
