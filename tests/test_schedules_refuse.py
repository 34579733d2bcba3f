"""Invalid schedules are refused; each error names the value, its place, the rule and a remedy."""

import math

import pytest
import torch

from ddpm_core.schedules import Schedule

INF, NAN = math.inf, math.nan
TOWARDS_ZERO_SNR = "reached only through .with_zero_terminal_snr()"
TOO_SHORT = "zero terminal SNR needs T >= 2; with T = 1 no noisy timestep would hold any signal"

pytestmark = pytest.mark.usefixtures("unchecked")


def check_refusal(error, bad, *fragments):
    with pytest.raises(error) as refusal:
        bad()
    for fragment in fragments:
        assert fragment in str(refusal.value)


@pytest.mark.parametrize(
    ("T", "arguments", "fragments"),
    [
        (20, {}, ["beta_T = 0.02 * 1000 / 20 = 1 ", "(0, 1)", "larger T", "rescale=False"]),
        (50, {"beta_1": 0.0}, ["beta_1 = 0 * 1000 / 50 = 0 ", "(0, 1)", TOWARDS_ZERO_SNR]),
        (50, {"beta_T": 0.06}, ["beta_T = 0.06 * 1000 / 50 = 1.2 ", "smaller end points"]),
        (50, {"beta_T": 1.0, "rescale": False}, ["beta_T = 1 is outside", TOWARDS_ZERO_SNR]),
        (50, {"beta_1": -0.1, "rescale": False}, ["beta_1 = -0.1 is outside", "(0, 1)"]),
        (50, {"beta_1": INF}, ["beta_1 = inf", "finite"]),
        (50, {"beta_T": NAN}, ["beta_T = nan", "finite"]),
        (1, {}, ["T = 1 is below 2", "Schedule.from_betas([beta])"]),
    ],
)
def test_linear_refuses_betas_outside_0_to_1(T, arguments, fragments):
    check_refusal(ValueError, lambda: Schedule.linear(T, **arguments), *fragments)


def test_the_error_suggests_rescale_false_only_if_it_helps():
    with pytest.raises(ValueError, match="beta_T = 1 is outside") as refusal:
        Schedule.linear(50, beta_T=1.0, rescale=False)
    assert "rescale=False" not in str(refusal.value)


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        ({"s": -0.1}, ["s = -0.1 is negative", "at least 0"]),
        ({"s": NAN}, ["s = nan", "finite"]),
        ({"max_beta": 1.0}, ["max_beta = 1 ", "(0, 1)", TOWARDS_ZERO_SNR]),
        ({"max_beta": 0.0}, ["max_beta = 0 ", "(0, 1)"]),
        ({"max_beta": NAN}, ["max_beta = nan", "(0, 1)"]),
    ],
)
def test_cosine_refuses_bad_arguments(arguments, fragments):
    check_refusal(ValueError, lambda: Schedule.cosine(10, **arguments), *fragments)


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        ({"start": 3.0}, ["start = 3, end = 3, tau = 1", "start < end"]),
        ({"tau": 0.0}, ["tau = 0", "tau > 0"]),
        ({"end": INF}, ["end = inf", "finite"]),
        ({"tau": 1e-3}, ["start / tau = -3000", "-600..600", "Pass a larger tau"]),
        ({"start": 1300.0, "end": 1500.0}, ["end / tau = 1500", "-600..600"]),
        ({"max_beta": 1.0}, ["max_beta = 1 ", "(0, 1)"]),
    ],
)
def test_sigmoid_refuses_bad_arguments(arguments, fragments):
    check_refusal(ValueError, lambda: Schedule.sigmoid(10, **arguments), *fragments)


@pytest.mark.parametrize("family", [Schedule.linear, Schedule.cosine, Schedule.sigmoid])
def test_T_must_be_a_positive_int(family):
    check_refusal(ValueError, lambda: family(0), "T = 0 is below")
    check_refusal(TypeError, lambda: family(10.0), "T = 10.0 is a float", "is an int")
    check_refusal(TypeError, lambda: family(True), "T = True is a bool", "is an int")


@pytest.mark.parametrize(
    ("betas", "fragments"),
    [
        ([], ["betas has shape (0,)", "(T,) with T >= 1", "one entry for each of t = 1..T"]),
        (torch.full((2, 2), 0.1), ["betas has shape (2, 2)", "(T,) with T >= 1"]),
        (0.1, ["betas has shape ()", "(T,) with T >= 1"]),
        ([0.1, 1.0], ["betas[1] = 1 (t = 2)", "(0, 1)", TOWARDS_ZERO_SNR]),
        ([0.0, 0.1], ["betas[0] = 0 (t = 1)", "(0, 1)"]),
        ([0.1, 0.2, NAN], ["betas[2] = nan (t = 3)", "(0, 1)"]),
    ],
)
def test_from_betas_refuses_invalid_betas(betas, fragments):
    check_refusal(ValueError, lambda: Schedule.from_betas(betas), *fragments)


@pytest.mark.parametrize(
    ("alpha_bar", "fragments"),
    [
        ([], ["alpha_bar has shape (0,)", "one entry for each of t = 1..T"]),
        (
            [1.0, 0.5],
            ["alpha_bar[0] = 1 (t = 1)", "(0, 1)", "alpha_bar_0 = 1, which is not passed"],
        ),
        ([0.5, 0.5], ["alpha_bar[1] = 0.5 (t = 2)", "(0, 0.5)", "decrease strictly"]),
        ([0.5, 0.0], ["alpha_bar[1] = 0 (t = 2)", "call .with_zero_terminal_snr()"]),
        ([NAN], ["alpha_bar[0] = nan (t = 1)", "(0, 1)"]),
    ],
)
def test_from_alpha_bar_refuses_values_that_do_not_decrease(alpha_bar, fragments):
    check_refusal(ValueError, lambda: Schedule.from_alpha_bar(alpha_bar), *fragments)


@pytest.mark.parametrize(
    ("table", "error", "fragments"),
    [
        (torch.tensor([0.0, -1.0]), TypeError, ["float64", "(T + 1,)", "Schedule.from_betas"]),
        ([0.0, -1.0], TypeError, ["float64", "(T + 1,)", "Schedule.from_betas"]),
        ([[0.0, -1.0]], TypeError, ["(T + 1,)"]),
        ([0.0], ValueError, ["shape (1,)", "T >= 1"]),
        ([-0.1, -1.0], ValueError, ["log_alpha_bar[0] = 0", "t = 0 is data"]),
        ([0.0, -1.0, -1.0], ValueError, ["log_alpha_bar[2] = -1", "[1] = -1", "strictly"]),
        ([0.0, -1.0, NAN], ValueError, ["log_alpha_bar[2] = nan", "strictly"]),
        ([0.0, -1.0, -INF, -INF], ValueError, ["log_alpha_bar[3] = -inf", "[2] = -inf"]),
        ([0.0, -INF], ValueError, [TOO_SHORT]),
    ],
)
def test_the_table_must_start_at_0_and_decrease(table, error, fragments):
    if error is ValueError or table == [[0.0, -1.0]]:
        table = torch.tensor(table, dtype=torch.float64)
    check_refusal(error, lambda: Schedule(table), *fragments)


def test_zero_terminal_snr_needs_T_of_at_least_2():
    check_refusal(ValueError, lambda: Schedule.cosine(1).with_zero_terminal_snr(), TOO_SHORT)


@pytest.mark.parametrize(
    ("bad", "fragments"),
    [
        (lambda schedule: schedule.alpha_bar(-1), ["t = -1", "0..1000"]),
        (lambda schedule: schedule.alpha_bar(1001), ["t = 1001", "0..1000"]),
        (lambda schedule: schedule.one_minus_alpha_bar(torch.tensor([1, -1])), ["t[1] = -1"]),
        (lambda schedule: schedule.log_snr(0), ["t = 0 is outside 1..1000", "t = 0 is data"]),
        (lambda schedule: schedule.beta(0), ["t = 0 is outside 1..1000", "t = 0 is data"]),
        (lambda schedule: schedule.alpha(3, 3), ["s = 3, t = 3", "a transition needs s < t"]),
        (lambda schedule: schedule.beta_between(-1, 3), ["s = -1", "0..999"]),
        (lambda schedule: schedule.log_alpha(5, 3), ["s = 5, t = 3", "s < t"]),
    ],
)
def test_timesteps_outside_the_domain_are_refused(bad, fragments):
    check_refusal(ValueError, lambda: bad(Schedule.linear()), *fragments)


def test_beta_refuses_invalid_timesteps():
    check_refusal(TypeError, lambda: Schedule.linear().beta([3]), "t = [3] is a list", "one int")


def test_an_alpha_bar_that_underflows_is_refused():
    """Dividing by a root that underflows in float32 would give inf or NaN."""
    check_refusal(
        ValueError, lambda: Schedule.from_betas([0.9] * 80), "exp(-184.2", "smaller betas"
    )
    assert Schedule.from_betas([0.9] * 37).T == 37
