"""Hypothesis profiles; `pytest --hypothesis-profile NAME` selects another than `gate`."""

from functools import cache

from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import InvalidArgument

EXAMPLES = 30  # per property, in a run that certifies
POINTS = 0.4  # of them for an equation: at a drawn point hardly any two formulas agree
QUICK = 3  # in dev, beside the written examples and without the checks marked as `complete`


@cache  # a second call would undo --hypothesis-profile
def load_gate() -> None:
    """Register the profiles `gate`, `dev` and `nightly`, and load `gate`."""
    common = settings(
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
        report_multiple_bugs=False,  # one failure is enough, and an ExceptionGroup would hide it
        # An implementation may decline most examples; a check that compares too few never passes.
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )
    settings.register_profile("gate", common, max_examples=EXAMPLES, derandomize=True)
    settings.register_profile("dev", common, max_examples=QUICK, derandomize=True)
    settings.register_profile("nightly", common, max_examples=600)
    settings.load_profile("gate")


def is_registered(name: str) -> bool:
    """Return whether a profile has this name, of this suite or of another project."""
    try:
        settings.get_profile(name)
    except InvalidArgument:
        return False
    return True
