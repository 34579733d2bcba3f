"""The variational bound by example: complete images, edge cases, and the input that is refused."""

import math

import pytest
import torch

from ddpm_core._types import Gaussian, Prediction
from ddpm_core.likelihood import bits_per_dim, reverse_of, stratified_vlb, vlb_terms
from ddpm_core.losses import gaussian_kl, log_grey_level, prior_kl, vlb_term
from ddpm_core.posterior import q_posterior
from ddpm_core.samplers.ancestral import reverse_kernel
from ddpm_core.schedules import Schedule

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
X_0 = torch.tensor([[[-1.0, 0.0], [1.0, 0.5]], [[1.0, -0.5], [0.0, -1.0]]], dtype=torch.float64)
GENERATOR = torch.Generator().manual_seed(0)
NOISE = torch.randn(2, 2, 2, dtype=torch.float64, generator=GENERATOR)


def perfect(x_t, t, cond=None):
    """A denoiser that returns the data."""
    return Prediction(X_0.to(x_t.dtype))


def test_an_exact_denoiser_costs_only_the_first_and_last_term():
    """Every middle term is 0; the decoder is a Gaussian of variance beta_1 around each pixel."""
    terms = vlb_terms(STEEP, X_0, reverse_of(STEEP, perfect), lambda t: NOISE, grey_levels=5)
    assert terms.shape == (5, 2)
    assert torch.equal(terms[1:4], torch.zeros(3, 2, dtype=torch.float64))
    edge = 0.25 / math.sqrt(0.1)
    inside, outside = math.erf(edge / math.sqrt(2)), (1 + math.erf(edge / math.sqrt(2))) / 2
    ends = (X_0.abs() == 1).sum((1, 2)).double()
    want = -ends * math.log(outside) - (4 - ends) * math.log(inside)
    assert torch.allclose(terms[0], want, rtol=1e-12, atol=0)
    assert torch.equal(terms[4], prior_kl(STEEP, X_0))


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
def test_rows_may_have_different_timesteps(variance):
    """A batch with rows at s = 0 and at s > 0 equals its rows, one by one."""
    s, t = torch.tensor([0, 2]), torch.tensor([1, 4])
    x_t, x0_hat = NOISE, X_0 / 2
    reverse = reverse_kernel(STEEP, x0_hat, x_t, s, t, variance)
    together = vlb_term(STEEP, X_0, x_t, s, t, reverse, 5)
    for i in range(2):
        row = slice(i, i + 1)
        alone = reverse_kernel(STEEP, x0_hat[row], x_t[row], int(s[i]), int(t[i]), variance)
        term = vlb_term(STEEP, X_0[row], x_t[row], int(s[i]), int(t[i]), alone, 5)
        assert torch.equal(term, together[row])


def test_gradient_is_finite_for_rows_with_s_0():
    """The KL from a point is infinite; for a row at s = 0 the decoder alone counts."""
    x0_hat = (X_0 / 2).requires_grad_()
    s, t = torch.tensor([0, 2]), torch.tensor([1, 4])
    reverse = reverse_kernel(STEEP, x0_hat, NOISE, s, t)
    vlb_term(STEEP, X_0, NOISE, s, t, reverse, 5).sum().backward()
    assert x0_hat.grad.isfinite().all()
    assert (x0_hat.grad != 0).any(dim=(1, 2)).all()


def test_the_prior_term_is_0_at_zero_snr():
    schedule = STEEP.with_zero_terminal_snr()
    assert torch.equal(prior_kl(schedule, X_0), torch.zeros(2, dtype=torch.float64))
    terms = vlb_terms(schedule, X_0, reverse_of(schedule, perfect), lambda t: NOISE, grey_levels=5)
    assert terms.isfinite().all()


def test_the_bound_of_the_optimal_denoiser_is_close_to_the_entropy():
    """Independent pixels of four grey levels, 512 images of two pixels each.

    The mean of the bound is at least the entropy, up to 5 standard errors, and at T = 250 at most
    half a bit above it.
    """
    probabilities = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
    values = 2 * torch.arange(4, dtype=torch.float64) / 3 - 1
    generator, schedule = torch.Generator().manual_seed(0), Schedule.linear(250)
    x_0 = values[torch.multinomial(probabilities, 1024, True, generator=generator)].reshape(512, 2)

    def best(x_t, t, cond=None):
        signal, noise = schedule.alpha_bar(t), schedule.one_minus_alpha_bar(t)
        logs = probabilities.log() - (x_t[..., None] - signal.sqrt() * values) ** 2 / (2 * noise)
        return Prediction((logs.softmax(-1) * values).sum(-1))

    def noise(t):
        return torch.randn(x_0.shape, dtype=x_0.dtype, generator=generator)

    bits = bits_per_dim(
        vlb_terms(schedule, x_0, reverse_of(schedule, best), noise, grey_levels=4).sum(0), 2
    )
    error = float(bits.std() / len(bits) ** 0.5)
    assert 1.75 - 5 * error < bits.mean() < 1.75 + 0.5


def test_fewer_timesteps_give_fewer_terms():
    reverse = reverse_of(STEEP, lambda x, t, c: Prediction(x / 2))
    terms = vlb_terms(STEEP, X_0, reverse, lambda t: NOISE, grey_levels=5, times=(4, 2, 0))
    assert terms.shape == (3, 2)
    x_2 = STEEP.alpha_bar(2).sqrt() * X_0 + STEEP.one_minus_alpha_bar(2).sqrt() * NOISE
    gaussian = Gaussian(x_2 / 2, STEEP.beta_between(0, 2))
    decoded = -log_grey_level(gaussian, X_0, 5).sum((1, 2))
    assert torch.allclose(terms[0], decoded, rtol=1e-12, atol=0)


def test_T_strata_give_the_exact_sum():
    """With T strata only the noise is random."""
    reverse = reverse_of(STEEP, perfect)
    rows = stratified_vlb(STEEP, X_0, reverse, torch.Generator(), grey_levels=5, strata=4)
    terms = vlb_terms(STEEP, X_0, reverse, lambda t: NOISE, grey_levels=5)
    assert torch.allclose(rows, terms, rtol=1e-12, atol=1e-300)


def test_half_precision_is_refused_for_too_many_grey_levels(unchecked):
    gaussian = Gaussian(X_0.half(), torch.tensor(0.1, dtype=torch.float16))
    with pytest.raises(ValueError, match=r"grey_levels = 1,000 is outside 2..512, which"):
        log_grey_level(gaussian, X_0.half(), 1000)


@pytest.mark.parametrize(
    ("grey_levels", "error", "message"),
    [
        (1, ValueError, r"grey_levels = 1 is outside 2\.\."),
        (2**52, ValueError, "continuous-valued data pass grey_levels=None"),
        (16.5, TypeError, "grey_levels = 16.5 is a float"),
        (True, TypeError, "grey_levels = True is a bool"),
    ],
)
def test_invalid_numbers_of_grey_levels_are_refused(unchecked, grey_levels, error, message):
    with pytest.raises(error, match=message):
        log_grey_level(Gaussian(X_0, torch.tensor(0.1).double()), X_0, grey_levels)


def test_other_bad_input_is_refused(unchecked):
    gaussian = Gaussian(X_0, torch.tensor(0.1).double())
    with pytest.raises(ValueError, match="right has shape"):
        gaussian_kl(gaussian, Gaussian(X_0[:1], torch.tensor(0.1).double()))
    with pytest.raises(ValueError, match="x_0 has shape"):
        log_grey_level(gaussian, X_0[:1], 5)
    with pytest.raises(ValueError, match="variance = 'medium' is unknown"):
        reverse_of(STEEP, perfect, "medium")
    with pytest.raises(ValueError, match=r"strata = 5 is outside 1\.\.T = 4"):
        stratified_vlb(STEEP, X_0, reverse_of(STEEP, perfect), GENERATOR, grey_levels=5, strata=5)
    with pytest.raises(ValueError, match="times has 2 -> 3"):
        vlb_terms(
            STEEP, X_0, reverse_of(STEEP, perfect), lambda t: NOISE, grey_levels=5, times=(2, 3, 0)
        )


def test_the_reverse_kernel_is_the_posterior_at_x0_hat():
    back, wide = (
        reverse_kernel(STEEP, X_0, NOISE, 2, 4, v) for v in ("fixed_small", "fixed_large")
    )
    want = q_posterior(STEEP, X_0, NOISE, 2, 4)
    assert torch.equal(back.mean, want.mean)
    assert torch.equal(back.var, want.var)
    assert torch.equal(wide.mean, want.mean)
    assert wide.var == STEEP.beta_between(2, 4)
    decoder = reverse_kernel(STEEP, X_0, NOISE, 0, 1)
    assert torch.equal(decoder.mean, X_0)
    assert decoder.var == STEEP.beta(1)
