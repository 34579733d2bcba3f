"""Timesteps: which values and pairs are accepted, and what the errors say."""

import pytest
import torch

from ddpm_core.clock import check_pair, check_time, gather

T = 10
X = torch.zeros(3, 2)


@pytest.mark.parametrize("t", [0, 1, T, torch.tensor([0, 1, T]), torch.tensor([5, 5, 5])])
def test_timesteps_from_0_to_T_are_accepted(t):
    check_time("t", t, 0, T, T, X)


@pytest.mark.parametrize(
    ("t", "error", "message"),
    [
        (-1, ValueError, "t = -1 is outside 0..10"),
        (T + 1, ValueError, "t = 11 is outside 0..10"),
        (torch.tensor([0, -1, 3]), ValueError, r"t\[1\] = -1 is outside 0..10"),
        (torch.tensor([0, 3, T + 1]), ValueError, r"t\[2\] = 11 is outside 0..10"),
        (1.0, TypeError, "t = 1.0 is a float"),
        (True, TypeError, "t = True is a bool"),
        ([1, 2, 3], TypeError, r"t = \[1, 2, 3\] is a list"),
        (torch.tensor([1.0, 2.0, 3.0]), TypeError, "dtype torch.float32"),
        (torch.tensor([1, 2, 3], dtype=torch.int32), TypeError, "dtype torch.int32"),
        (torch.tensor(1), TypeError, r"shape \(\)"),
        (torch.tensor([[1], [2], [3]]), TypeError, r"shape \(3, 1\)"),
        (torch.tensor([1, 2]), ValueError, "t has 2 entries but the batch has 3 samples"),
        (torch.tensor([1]), ValueError, "t has 1 entries but the batch has 3 samples"),
    ],
)
def test_other_values_are_refused_with_value_and_rule(unchecked, t, error, message):
    with pytest.raises(error, match=message) as refusal:
        check_time("t", t, 0, T, T, X)
    rules = ("t = 0 is data", "one int, or an int64 tensor", "one timestep per sample")
    assert any(each in str(refusal.value) for each in rules)


def test_the_caller_sets_the_lowest_timestep():
    check_time("t", 1, 1, T, T)
    with pytest.raises(ValueError, match=r"t = 0 is outside 1..10; t = 0 is data"):
        check_time("t", 0, 1, T, T)


@pytest.mark.parametrize(
    ("s", "t"),
    [
        (0, 1),
        (0, T),
        (torch.tensor([0, 1, 9]), torch.tensor([1, 5, T])),
        (0, torch.tensor([1, 5, T])),
        (torch.tensor([0, 1, 9]), T),
    ],
)
def test_every_pair_with_s_below_t_is_accepted(s, t):
    check_pair(s, t, T, X)


@pytest.mark.parametrize(
    ("s", "t", "message"),
    [
        (3, 3, r"s = 3, t = 3 \(sample 0\): a transition needs s < t"),
        (4, 3, r"s = 4, t = 3 \(sample 0\)"),
        (torch.tensor([0, 6, 9]), torch.tensor([1, 5, T]), r"s = 6, t = 5 \(sample 1\)"),
        (2, torch.tensor([3, 4, 2]), r"s = 2, t = 2 \(sample 2\)"),
        (torch.tensor([1, 5, 1]), 5, r"s = 5, t = 5 \(sample 1\)"),
        (0, 0, "t = 0 is outside 1..10"),
        (T, T, "s = 10 is outside 0..9"),
        (-1, 3, "s = -1 is outside 0..9"),
        (0, T + 1, "t = 11 is outside 1..10"),
    ],
)
def test_other_pairs_are_refused_naming_the_sample(s, t, message):
    with pytest.raises(ValueError, match=message):
        check_pair(s, t, T, X)


def test_pairs_of_unequal_length_are_refused(unchecked):
    with pytest.raises(
        ValueError, match="s has 1 entries and t has 3; pass one of each per sample"
    ):
        check_pair(torch.tensor([0]), torch.tensor([1, 2, 3]), T)


def test_gather_keeps_float64_and_the_shape_of_the_timestep():
    table = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    one = gather(table, 3)
    many = gather(table, torch.tensor([3, 0, T]))
    assert one.shape == ()
    assert one.dtype == many.dtype == torch.float64
    assert torch.equal(many, torch.stack([table[3], table[0], table[T]]))


def test_values_on_an_accelerator_are_not_read():
    """Tensors on the meta device have no values, so a check that reads one would raise."""
    t = torch.zeros(3, dtype=torch.int64, device="meta")
    check_time("t", t, 1, T, T, X.to("meta"))
    check_pair(0, t, T, X.to("meta"))
    assert gather(torch.zeros(T + 1, dtype=torch.float64), t).device.type == "meta"
