"""Every known bug turns the property that names it red; no benign variant is flagged."""

import pytest

from ..known_bugs import BENIGN_VARIANTS, BUGS, KnownBug
from ..known_bugs.readme import PAGE, page, written
from ..known_bugs.run import CAUGHT, attack


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_known_bug_is_caught(bug: KnownBug):
    with pytest.raises(CAUGHT):
        attack(bug)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_catching_property_passes_without_the_bug(bug: KnownBug):
    """Otherwise the failure above would say nothing of the bug."""
    attack(bug, right=True)


@pytest.mark.parametrize("variant", BENIGN_VARIANTS, ids=lambda bug: bug.id)
def test_benign_variant_is_not_flagged(variant: KnownBug):
    attack(variant)


def test_readme_table_is_up_to_date():
    stands = PAGE.read_text(encoding="utf-8")
    assert stands == page(written()), "run python -m property_tests.known_bugs.readme"
    assert {bug.id for bug in BUGS} == {name for name, effect in written().items() if effect}
