"""The shape checks under which the tests run: they fail where they should, in every test anew."""

import pytest
import torch
from beartype import beartype
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from ddpm_core.forward_process import q_sample
from ddpm_core.schedules import Schedule
from tests import shape_checks

CHECKER = beartype


def doubled(x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
    return x.repeat(len(x), 1)  # the shape of a batch of one


def test_wrong_shape_is_noticed_in_an_early_call():
    checked = shape_checks.checks_first_calls(typechecker=CHECKER)(doubled)
    for _ in range(shape_checks.CHECKED - 1):
        assert checked(torch.zeros(1, 2)).shape == (1, 2)
    with pytest.raises(TypeCheckError):
        checked(torch.zeros(3, 2))
    assert checked(torch.zeros(3, 2)).shape == (9, 2), "this call was one too many"
    shape_checks.pytest_runtest_setup()
    with pytest.raises(TypeCheckError):
        checked(torch.zeros(3))


@pytest.mark.parametrize("attempt", [1, 2])
def test_library_is_checked_in_every_test(attempt):
    x_0 = torch.zeros(3, 2)
    q_sample(Schedule.cosine(4), x_0, 2, x_0)
    with pytest.raises(TypeCheckError):
        q_sample(Schedule.cosine(4), x_0, 2, "noise")
    for _ in range(shape_checks.CHECKED):
        q_sample(Schedule.cosine(4), x_0, 2, x_0)
    assert shape_checks.calls[q_sample.__wrapped__.__code__] == shape_checks.CHECKED
