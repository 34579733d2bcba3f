"""policy.json requires every check."""

import json

import pytest

from ..evidence.policy import PAGE
from ..mutation.targets import MUTANTS_PER_RUN, PROPERTIES, STATISTICS
from ..profiles import EXAMPLES, POINTS
from ..statistics.monte_carlo import ALPHA_RUN, MIN_EFFECT, POWER


def test_every_check_is_required(request: pytest.FixtureRequest):
    """Compare exactly for a complete run; otherwise only find unknown checks."""
    policy = json.loads(PAGE.read_bytes())
    inside = [each for each in request.session.items if PAGE.parent in each.path.parents]
    names = {f"{each.path.name}::{each.name}" for each in inside}
    assert len(names) == len(inside), "two checks have the same name"
    files = [each.name for each in PAGE.parent.rglob("test_*.py")]
    assert len({*files}) == len(files), (
        "two files have the same name: verify --spot needs unique names"
    )
    new = names - policy["required"].keys()
    assert not new, "run the suite, then python -m property_tests.evidence.policy"
    everything = {each.path for each in inside} == {*PAGE.parent.rglob("test_*.py")}
    chosen = any("::" in each for each in request.config.args) or request.config.option.keyword
    if everything and not chosen:
        gone = policy["required"].keys() - names
        assert not gone, "run the suite, then python -m property_tests.evidence.policy"


def test_policy_limits_match_the_suite():
    policy = json.loads(PAGE.read_bytes())
    limits = {name: policy[name] for name in ("alpha", "power", "effect", "mutants")}
    assert limits == {
        "alpha": ALPHA_RUN,
        "power": POWER,
        "effect": MIN_EFFECT,
        "mutants": MUTANTS_PER_RUN,
    }
    examples = {each["examples"] for each in policy["required"].values()}
    assert examples == {0, int(EXAMPLES * POINTS), EXAMPLES}
    assert policy["mutated"] == sorted([*PROPERTIES, *STATISTICS])
