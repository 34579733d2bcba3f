"""The twelve conversions against 50-digit definitions, and where they do not exist."""

from itertools import permutations

import pytest
import torch
from mpmath import MPContext

from ddpm_core._types import PARAMETERIZATIONS, check_parameterization
from ddpm_core.forward_process import q_sample
from ddpm_core.parameterization import convert
from ddpm_core.schedules import Schedule

mp = MPContext()
mp.dps = 50

BETAS = (0.1, 0.5, 0.3, 0.8)
STEEP = Schedule.from_betas(BETAS)
ZERO_SNR = STEEP.with_zero_terminal_snr()
PAIRS = list(permutations(PARAMETERIZATIONS, 2))
TIMESTEPS = torch.tensor([1, 2, 3, 4])
X_0, EPS = torch.randn(2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
# 8 u kappa, kappa = 1 + |log alpha_bar_t| / (1 - alpha_bar_t) < 4 on this schedule.
REL = 8 * 2.0**-53 * 4


def described(name: str) -> torch.Tensor:
    """Return x_t, or its `name`, for (X_0, EPS) at TIMESTEPS: by definition, rounded once."""
    rows = []
    for t, x_row, eps_row in zip(TIMESTEPS.tolist(), X_0.tolist(), EPS.tolist(), strict=True):
        alpha_bar = mp.fprod(1 - mp.mpf(beta) for beta in BETAS[:t])
        scale, sigma = mp.sqrt(alpha_bar), mp.sqrt(1 - alpha_bar)
        define = {
            "x_t": lambda x, e, scale=scale, sigma=sigma: scale * x + sigma * e,
            "x0": lambda x, e: x,
            "eps": lambda x, e: e,
            "v": lambda x, e, scale=scale, sigma=sigma: scale * e - sigma * x,
            "score": lambda x, e, sigma=sigma: -e / sigma,
        }[name]
        pairs = zip(x_row, eps_row, strict=True)
        rows.append([float(define(mp.mpf(x), mp.mpf(e))) for x, e in pairs])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_conversion_agrees_with_the_definitions_in_50_digits(source, target):
    """Value, x_t and result are rounded to float64, u each; the first two errors are magnified."""
    value, x_t, want = described(source), described("x_t"), described(target)
    from_value = convert(STEEP, source, target, value, torch.zeros_like(x_t), TIMESTEPS)
    from_xt = convert(STEEP, source, target, torch.zeros_like(value), x_t, TIMESTEPS)
    u = 2.0**-53
    allowed = (REL + u) * (from_value.abs() + from_xt.abs()) + u * want.abs()
    got = convert(STEEP, source, target, value, x_t, TIMESTEPS)
    assert ((got - want).abs() <= allowed).all()


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_round_trip_is_the_identity(source, target):
    """The error of the first conversion, magnified by the second, plus that of the second."""
    value, x_t, zero = described(source), described("x_t"), torch.zeros_like(X_0)

    def terms(a, b, value):
        parts = (
            convert(STEEP, a, b, value, zero, TIMESTEPS),
            convert(STEEP, a, b, zero, x_t, TIMESTEPS),
        )
        return parts[0].abs() + parts[1].abs()

    there = convert(STEEP, source, target, value, x_t, TIMESTEPS)
    back = convert(STEEP, target, source, there, x_t, TIMESTEPS)
    magnified = convert(STEEP, target, source, terms(source, target, value), zero, TIMESTEPS).abs()
    assert ((back - value).abs() <= REL * (magnified + terms(target, source, there))).all()


def test_xt_and_v_are_x0_and_eps_rotated():
    """A clockwise rotation by the angle whose cosine is sqrt(alpha_bar_t): length is kept."""
    x_t = q_sample(STEEP, X_0, TIMESTEPS, EPS)
    v = convert(STEEP, "x0", "v", X_0, x_t, TIMESTEPS)
    alpha_bar = STEEP.alpha_bar(TIMESTEPS)[:, None]
    square = X_0**2 + EPS**2
    # With length 1: x_t is right to REL; v = scale / sigma x_t - x_0 / sigma, 1 / sigma < 3.2, to
    # 3 REL from x_t and 6.2 REL of its own. Squares double: 2 (1 + 9.2), and the test's sums.
    allowed = 24 * REL * square
    assert ((x_t**2 + v**2 - square).abs() <= allowed).all()
    assert ((X_0 * x_t + EPS * v - alpha_bar.sqrt() * square).abs() <= allowed).all()
    assert ((X_0 * v - EPS * x_t + (1 - alpha_bar).sqrt() * square).abs() <= allowed).all()


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
@pytest.mark.parametrize("t", [0, 1, 4])
def test_converting_to_the_same_parameterization_returns_the_input(name, t):
    for schedule in (STEEP, ZERO_SNR):
        assert convert(schedule, name, name, X_0, EPS, t) is X_0


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_conversions_at_t_0_are_finite_or_refused(source, target):
    """x_0 holds no noise: eps cannot be computed from it, and the score is infinite."""
    if "score" in (source, target) or (source, target) in (("x0", "eps"), ("x0", "v")):
        with pytest.raises(
            ValueError, match=rf"{source} -> {target} does not exist at t = 0.*1\.\.T"
        ):
            convert(STEEP, source, target, X_0, EPS, 0)
        with pytest.raises(ValueError, match=r"t\[2\] = 0"):
            convert(STEEP, source, target, X_0, EPS, torch.tensor([1, 2, 0, 3]))
    else:  # x_0 = x_t and v = eps
        want = EPS if target == "x0" else X_0
        assert torch.equal(convert(STEEP, source, target, X_0, EPS, 0), want)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_zero_snr_is_finite_from_x0_and_v_and_refused_from_eps_and_score(source, target):
    """At alpha_bar_T = 0: x_T = eps, v = -x_0, score = -x_T."""
    if source in ("eps", "score"):
        message = (
            rf"{source} -> {target} does not exist at t = 4, where the SNR is 0.*predicts x0 or v"
        )
        with pytest.raises(ValueError, match=message):
            convert(ZERO_SNR, source, target, X_0, EPS, 4)
        with pytest.raises(ValueError, match=r"t\[3\] = 4"):
            convert(ZERO_SNR, source, target, X_0, EPS, TIMESTEPS)
        below = torch.tensor([1, 2, 3, 3])
        assert convert(ZERO_SNR, source, target, X_0, EPS, below).isfinite().all()
    else:
        want = {"eps": EPS, "score": -EPS, "x0": -X_0, "v": -X_0}[target]
        assert torch.equal(convert(ZERO_SNR, source, target, X_0, EPS, 4), want)


def test_unknown_names_are_refused_listing_the_valid_ones(unchecked):
    message = r"= 'noise' is unknown; it must be one of \('eps', 'x0', 'v', 'score'\)"
    with pytest.raises(ValueError, match="source " + message):
        convert(STEEP, "noise", "x0", X_0, EPS, 1)
    with pytest.raises(ValueError, match="target " + message):
        convert(STEEP, "x0", "noise", X_0, EPS, 1)
    with pytest.raises(ValueError, match="parameterization " + message):
        check_parameterization("parameterization", "noise")


def test_an_invalid_event_is_refused_by_name(unchecked):
    with pytest.raises(ValueError, match=r"value has shape \(5,\) but x_t has shape \(4, 5\)"):
        convert(STEEP, "eps", "x0", X_0[0], EPS, 1)
