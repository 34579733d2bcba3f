"""Long schedules, many grey levels, frequencies and steps, single samples and single channels."""

from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from .calls.call import reused
from .calls.inputs import autoencoder, twice
from .catalogue import run_on
from .oracles import exact
from .oracles.exact import mp, mpf
from .oracles.table import FLOAT32
from .protocol import ANCESTRAL, PREDICTIONS, Betas, Gaussian, Implementation, SamplingSpec, Times
from .statistics.monte_carlo import Ledger
from .statistics.statistics import standard_normal
from .statistics.tolerances import check
from .strategies import STEEP, Case, known

ORACLE = "the oracles of the other properties, and closed forms in 60 digits"

LENGTHS = (1, 2, 10, 1001, 4000, 10_000)  # others draw T = 1000


@lru_cache
def linear(T: int) -> Betas:
    """Return T betas whose alpha_bar_T hardly depends on T."""
    scale = min(1000 / T, 25)
    return known(f"LINEAR-{T}", np.linspace(1e-4 * scale, 0.02 * scale, T).tolist())


@lru_cache
def ends_of(T: int) -> Case:
    """Return pairs with s = 0 and t = T, at both ends and in the middle."""
    half = T // 2
    every = {(0, 1), (0, T), (T - 1, T), (half, T), (half, half + 1)}
    s, t = np.array([pair for pair in sorted(every) if 0 <= pair[0] < pair[1] <= T]).T
    first = np.resize(np.float64([0.5, -1.25, 2.0]), (len(t), 1))
    return Case(linear(T), s, t, first, np.resize(np.float64([3.0, 0.375]), (len(t), 1)))


EACH = [{"name": name} for name in PREDICTIONS]
STEP = {"step": "any"}
TIMES = (
    "test_forward_process::test_marginal_is_the_composition_of_its_steps",
    "test_forward_process::test_sample_is_mean_plus_scaled_noise",
    "test_losses::test_training_sample_contains_the_returned_noise",
    "test_forward_process::test_kernel_is_the_composition_of_its_steps",
    "test_schedules::test_log_snr_matches_its_definition",
)
# A property of other files, and the values of its parameters.
OF_CASES: list[tuple[str, list[dict[str, Any]]]] = [
    *((each, [{}]) for each in TIMES),
    (
        "test_posterior::test_mean_and_variance_match_bayes",
        [{**STEP, "part": p} for p in ("mean", "var")],
    ),
    (
        "test_parameterization::test_conversion_solves_the_definitions",
        [{"source": a, "target": b} for a, b in permutations(PREDICTIONS, 2)],
    ),
    ("test_losses::test_target_matches_its_definition", EACH),
    ("test_losses::test_constant_weight_weights_the_x0_error_equally", EACH),
    (
        "test_losses::test_min_snr_weight_weights_the_x0_error",
        [{**each, "gamma": 5.0} for each in EACH],
    ),
    (
        "test_losses::test_reverse_kernel_is_the_posterior_at_the_prediction",
        [{"variance": each} for each in ANCESTRAL],
    ),
]
OF_STEPS: list[tuple[str, list[dict[str, Any]]]] = [
    (
        "test_samplers::test_step_is_posterior_mean_plus_scaled_noise",
        [{**STEP, "variance": each} for each in ANCESTRAL],
    ),
    (
        "test_ddim::test_step_has_the_given_variance_and_keeps_the_marginals",
        [{**STEP, "eta": each} for each in (0.0, 0.7)],
    ),
]


def name_of(listed: object) -> str:
    return listed.rpartition("::test_")[2] if isinstance(listed, str) else ""


@pytest.mark.complete
@pytest.mark.parametrize(("test", "values"), OF_CASES, ids=name_of)
def test_kernels_of_long_and_short_schedules(impl: Implementation, test, values):
    """T = 1 to 10,000 with t = T and s = 0: the property's own oracle and tolerance."""
    for T in LENGTHS:
        with reused(impl):
            for each in values:
                run_on(test, impl=impl, case=ends_of(T), **each)


@pytest.mark.complete
@pytest.mark.parametrize(("test", "values"), OF_STEPS, ids=name_of)
def test_steps_of_long_and_short_schedules(impl: Implementation, test, values):
    """The same for a step with ints for its timesteps."""
    for T in LENGTHS:
        case = ends_of(T)
        with reused(impl):
            for s, t in zip(case.s.tolist(), case.t.tolist(), strict=True):
                for each in values:
                    run_on(test, impl=impl, case=(case.betas, s, t), **each)


@pytest.mark.complete
@pytest.mark.parametrize("T", LENGTHS[1:])
def test_learned_variances_of_long_and_short_schedules(impl: Implementation, T: int):
    """Eq. learned-variance.range and learned-variance.hybrid, whose bound counts 0.001 T times.

    The tolerance of the sum is that of `test_step`.
    """
    betas, _, t, x_0, x_t = ends_of(T)
    x_0, x_t = (np.repeat(each, 2, axis=1) for each in (x_0, x_t))
    values = [0.0, 0.5, 1.0, 0.25]
    fraction = np.resize(np.float64(values), x_t.shape)
    test = "test_learned_variance::test_learned_variance_interpolates_in_log_space"
    run_on(test, impl=impl, case=ends_of(T), values=values)
    output = twice(x_t, 2 * fraction - 1)
    data = betas, "eps", None, output, x_0, x_0, x_t, t, None
    bound, hybrid = (
        impl.objective(data[0], loss, *data[1:]).minimised for loss in ("vlb", "hybrid")
    )
    plain, added = impl.loss(x_t, x_0), 0.001 * T * bound
    assert (np.abs(hybrid - plain - added) <= 16 * impl.unit_roundoff * (plain + added)).all()


@pytest.mark.complete
@pytest.mark.complete
@pytest.mark.parametrize("T", [1001, 4000])
def test_every_timestep_of_a_long_schedule_is_drawn(impl: Implementation, T: int):
    """Eq. losses.times: of 60 T rows a given timestep is missing with probability e^-60."""
    t = impl.training_draw(linear(T), np.zeros((60 * T, 1)), seed=0).t
    assert np.array_equal(np.unique(t), np.arange(1, T + 1))
    assert impl.default_timesteps(T) == tuple(range(T, -1, -1))


@pytest.mark.complete
def test_strata_of_a_long_schedule(impl: Implementation):
    """Eq. likelihood.stratum at T = 4000: each timestep in its stratum, each term times its size.

    With twice the posterior's variance a term is (log 2 - 1 / 2) / 2 for each element, whatever t:
    the ratio of variances is exactly 1/2, and the means are equal. The divergence is 0.19 and its
    parts add up to 2.2, so that four roundings of each are 46 u of it; the sum over three elements
    and the product add 3 u.
    """
    T, strata, x_0 = 4000, 7, np.zeros((129, 3))
    betas, times = linear(4000), list[Times]()

    def reverse(x_t, s, t):
        times.append(t)
        back = impl.q_posterior(betas, x_0, x_t, s, t)
        return Gaussian(back.mean, 2 * back.var + (back.var == 0))

    got = impl.stratified_vlb(betas, x_0, reverse, strata, False, 5)
    for k, t in enumerate(times):
        low, high = k * T // strata, (k + 1) * T // strata
        assert low < t.min() <= t.max() <= high, f"stratum {k}"
        assert len(np.unique(t)) > 64, f"stratum {k}"
        want = (high - low) * 3 * (np.log(2) - 0.5) / 2
        unit = 64 * impl.unit_roundoff * want
        assert (np.abs(got[k] - want)[t > 1] <= unit).all(), f"stratum {k}"
    marginal = impl.q_marginal(betas, x_0, np.full(129, T))
    prior = impl.gaussian_kl(marginal, Gaussian(x_0, x_0 + 1)).sum(axis=1)
    assert np.array_equal(got[-1], prior)


@pytest.mark.complete
@pytest.mark.parametrize("grey_levels", [3, 257, 65_536])
def test_probabilities_of_few_and_many_grey_levels(impl: Implementation, grey_levels: int):
    """Eq. losses.decoder, losses.decoder-lowest and losses.decoder-highest."""
    test = "test_losses::test_grey_level_probability_is_the_mass_nearest_to_it"
    given = ((0.0, 0.0625, True), (3.0, 0.5, False), (-3.0, 0.5, False))
    for shift, std, near in given[: 1 if grey_levels > 257 else 3]:
        run_on(test, impl=impl, grey_levels=grey_levels, shift=shift, std=std, near=near)
    every = np.arange(min(grey_levels, 256), dtype=np.uint8).reshape(1, 1, 1, -1)
    got = impl.to_unit_range(every, grey_levels)
    assert (
        np.abs(got - (2.0 * every / (grey_levels - 1) - 1)) <= 3 * max(impl.unit_roundoff, FLOAT32)
    ).all()


def test_many_fourier_frequencies(impl: Implementation):
    """Eq. embeddings.fourier for 20 frequencies, and those of single channels."""
    pixels, frequencies = np.cos(np.arange(12.0)).tolist(), tuple(range(20))
    test = "test_embeddings::test_fourier_features_follow_the_image_channels"
    run_on(test, impl=impl, pixels=pixels, frequencies=frequencies)
    whole = impl.fourier_features(x := np.float64(pixels).reshape(2, 2, 1, 3), frequencies)
    for channel in range(2):
        alone = impl.fourier_features(x[:, channel : channel + 1], frequencies)
        assert np.array_equal(alone, whole[:, channel::2]), f"channel {channel}"


@pytest.mark.convention
def test_embedding_of_late_timesteps_and_wide(impl: Implementation):
    """Eq. embeddings.sinusoidal up to t = 10,000, and of 256 entries."""
    test = "test_embeddings::test_entries_are_sines_and_cosines_of_their_angles"
    run_on(test, impl=impl, t=[10_000, 4001, 1001], width=8)
    run_on(test, impl=impl, t=[1001], width=256)


def test_images_of_a_single_channel(impl: Implementation):
    """Eq. latent.loss: a mean over channels is the mean of single channels, of 65 images too.

    A mean of n positive terms has n + 4 roundings. Here n is 24 and 12, both sides have two such
    terms with a rounding for their weight, and the sum of relative errors is below 64 u.
    """
    x, x_hat = np.cos(np.arange(2.0 * 65 * 2 * 3 * 4)).reshape(2, 65, 2, 3, 4)
    moments = np.zeros((65, 2, 1, 1))
    for edges in (0.0, 2.0):
        whole = impl.autoencoder_loss(x, x_hat, moments, 0.0, edges)
        alone = [
            impl.autoencoder_loss(*(each[:, c : c + 1] for each in (x, x_hat)), moments, 0.0, edges)
            for c in range(2)
        ]
        want = (alone[0] + alone[1]) / 2
        assert (np.abs(whole - want) <= 64 * impl.unit_roundoff * want).all()


@pytest.mark.complete
@pytest.mark.parametrize("decay", [0.99, 0.99999])
def test_average_over_thousands_of_steps(impl: Implementation, decay: float):
    """Eq. ema.update and ema.decay in 60 digits: a step's average is d before + (1 - d) weight.

    Warm-up ends at step (10 d - 1) / (1 - d). Each of n updates rounds three times.
    """
    steps = 2000 if decay > 0.999 else 1000
    weights = np.cos(np.arange(steps + 1.0)).reshape(-1, 1) + 1
    got = impl.ema(decay, weights, weights)
    want = mpf(weights[0, 0])
    for k in range(steps):
        d = min(mpf(decay), mpf(1 + k) / (10 + k)) if impl.ema_warms_up() else mpf(decay)
        want = d * want + (1 - d) * mpf(weights[k + 1, 0])
        if k % 97 == 0 or k == steps - 1:
            allowed = 4 * (k + 1) * mpf(impl.unit_roundoff) * 2
            check("average", (k, 0), got.weights, want, allowed)
            check("decay", (k,), got.decays, d, 2 * mpf(impl.unit_roundoff))
    assert np.array_equal(got.buffers, weights[-1])


@pytest.mark.complete
def test_noise_of_a_single_sample_is_standard_normal(impl: Implementation, ledger: Ledger):
    """Eq. forward-process.sample and ancestral.step for a batch of one with many elements."""
    event = (1, 2, 14_000)
    claim = ledger.claim("forward-process.sample", "one sample", scalars=28_000)
    drawn = impl.training_draw(STEEP, np.zeros(event), claim.seed)
    claim.check(standard_normal(drawn.noise.reshape(2, 14_000)))
    claim = ledger.claim("ancestral.step", "one sample", scalars=28_000)
    spec = SamplingSpec(STEEP, "fixed_small", (4, 2, 0), lambda x_t, t: x_t)
    along = exact.posterior(STEEP, 1.0, 1.0, 2, 4)
    spread = float(mp.sqrt(along.mean.exact**2 + along.var))
    claim.check(standard_normal(impl.draw_samples(spec, event, claim.seed)[0] / spread))
    claim = ledger.claim("latent.posterior", "one sample", scalars=28_000)
    x = np.zeros((1, 1, 28_000))
    found = impl.draw_latents(autoencoder(1)._replace(encoder=lambda x: twice(x, x)), x, claim.seed)
    claim.check(standard_normal((2 * found + 1)[0].reshape(2, 14_000) / 2))


@pytest.mark.complete
def test_draws_of_a_single_sample_have_every_outcome(impl: Implementation):
    """Each of four timesteps in 300 draws, missing with probability 1e-37; and both labels."""
    drawn = {int(impl.training_draw(STEEP, np.zeros((1, 1)), seed).t[0]) for seed in range(300)}
    assert drawn == {1, 2, 3, 4}
    left = {int(impl.drop_labels(np.array([3]), 0.5, seed)[0]) for seed in range(128)}
    assert left == {3, 10}
    for n in (1, 65):
        assert (impl.drop_labels(np.full(n, 3), 0.0, 0) == 3).all()
        assert (impl.drop_labels(np.full(n, 3), 1.0, 0) == 10).all()


@pytest.mark.complete
def test_draws_of_many_samples_are_all_different(impl: Implementation):
    """Eq. ancestral.step for 129 samples: no two have a number in common."""
    spec = SamplingSpec(STEEP, "fixed_small", (4, 2, 0), lambda x_t, t: x_t / 2)
    for found in (
        impl.draw_samples(spec, (129, 2), 3),
        impl.training_draw(STEEP, np.zeros((129, 2)), 3).noise,
        impl.draw_latents(autoencoder(1), np.zeros((129, 1, 2)), 3),
    ):
        assert len(np.unique(found)) == 258
