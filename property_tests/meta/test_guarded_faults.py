"""Each fault behind a condition fails the property that it names; so does a changed default."""

import ast

import pytest

from ..adapters.ddpm_core import DdpmCore
from ..known_bugs.run import CAUGHT, run_on_correct_code, run_property_on
from ..mutation import defaults
from ..mutation.inject import source_of
from ..mutation.targets import PROPERTIES, left_out
from . import (
    guarded_faults,
    option_faults,
    part_faults,
    path_faults,
    precision_faults,
    range_faults,
    rounding_faults,
    size_faults,
    state_faults,
)
from .guarded_faults import Guarded, fault_injected

TABLES = (
    guarded_faults,
    size_faults,
    precision_faults,
    rounding_faults,
    state_faults,
    option_faults,
    range_faults,
    part_faults,
    path_faults,
)
FAULTS = [fault for table in TABLES for fault in table.FAULTS]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_guarded_fault_fails_and_correct_code_passes(fault: Guarded):
    run_on_correct_code(fault.test, fault.arguments)
    with fault_injected(fault), pytest.raises((*CAUGHT, ValueError)):
        run_property_on(DdpmCore, fault.test, fault.arguments)


def test_every_changed_default_fails():
    """Of every public function and dataclass that the mutation run changes."""
    test, count = "test_defaults.py::test_defaults_are_those_documented", 0
    for name in PROPERTIES:
        module, source = source_of(f"ddpm_core.{name}")
        for default in defaults.changed(module, ast.parse(source), left_out(name)):
            with defaults.injected(default), pytest.raises(AssertionError, match="is documented"):
                run_property_on(DdpmCore, test, {})
            count += 1
    assert count > 40
