"""Every fault behind a condition fails the property that it names."""

import pytest

from ..adapters.ddpm_core import DdpmCore
from ..known_bugs.run import CAUGHT, run_property_on
from .guarded_faults import FAULTS, Guarded, planted


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_guarded_fault_fails_and_correct_code_passes(fault: Guarded):
    run_property_on(DdpmCore, fault.test, fault.arguments)
    with planted(fault), pytest.raises((*CAUGHT, ValueError)):
        run_property_on(DdpmCore, fault.test, fault.arguments)
