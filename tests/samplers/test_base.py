"""The sampling loop: an iterator from T to 0, and samples that do not depend on their batch."""

import numpy as np
import pytest
import torch

from ddpm_core._types import Prediction
from ddpm_core.denoiser import NetworkDenoiser
from ddpm_core.samplers.ancestral import Ancestral
from ddpm_core.samplers.base import Snapshot, generate, sampling_loop
from ddpm_core.samplers.ddim import DDIM
from ddpm_core.samplers.dpm_solver import DPMSolver
from ddpm_core.samplers.heun import Heun
from ddpm_core.samplers.names import SAMPLERS, build_sampler
from ddpm_core.samplers.timestep_spacing import trailing
from ddpm_core.schedules import Schedule

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
LINEAR = Schedule.linear(60)


def shrinking_denoiser(x_t, t, cond=None):
    """An elementwise denoiser that is different at every timestep."""
    return Prediction(0.3 + x_t / (2 + t))


def last(snapshots):
    *_, end = snapshots
    return end


@pytest.mark.parametrize("shape", [(3,), (4, 4, 4), (1, 5, 7)], ids=str)
def test_a_sample_does_not_depend_on_its_batch(shape):
    sampler, denoiser = Ancestral(LINEAR, trailing(LINEAR, 9)), shrinking_denoiser
    together, alone, shuffled, other_seed = (
        last(generate(sampler, denoiser, shape, indices=indices, seed=seed)).x_t
        for indices, seed in ((range(8), 5), ([3], 5), ([6, 3], 5), ([3], 6))
    )
    assert together.shape == (8, *shape)
    assert torch.equal(alone[0], together[3])
    assert torch.equal(shuffled, together[[6, 3]])
    assert len(together.unique(dim=0)) == 8
    assert not torch.equal(other_seed, alone)


@pytest.mark.parametrize(
    ("denoiser", "cond", "error", "message"),
    [
        (
            lambda x, t, c: x,
            None,
            TypeError,
            r"returned a Tensor; it must return Prediction\(x0_hat\)",
        ),
        (shrinking_denoiser, torch.zeros(3, dtype=torch.int64), ValueError, r"cond is \(3,\), but"),
        (shrinking_denoiser, 7, ValueError, "cond is int, but the batch has 2 samples"),
    ],
    ids=["no prediction", "another batch", "no tensor"],
)
def test_invalid_denoisers_and_conditions_are_refused(unchecked, denoiser, cond, error, message):
    with pytest.raises(error, match=message):
        last(sampling_loop(Ancestral(STEEP), denoiser, torch.zeros(2, 3), torch.zeros, cond))


@pytest.mark.parametrize("name", SAMPLERS)
def test_two_runs_of_one_sampler_are_equal(name):
    """A run's memory is in its state alone, also of a run that was stopped early."""
    sampler = build_sampler(name, STEEP, (4, 2, 1, 0))

    def run(seed):
        return generate(sampler, shrinking_denoiser, (3,), indices=[0, 1], seed=seed)

    first = last(run(seed=1)).x_t
    stopped = run(seed=2)
    assert [next(stopped).t for _ in range(2)] == [4, 2]
    assert torch.equal(last(run(seed=1)).x_t, first)
    assert not torch.equal(last(run(seed=2)).x_t, first)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("s", [0, 2])
def test_half_precision_is_computed_in_float32_and_cast_once(name, s):
    """|error| <= u |x_s| from the cast, plus float32 roundings of terms of at most 40.

    On this schedule a step's coefficients are below 4, and conversions divide by at least 0.3.
    """
    sampler = build_sampler(name, STEEP, (4, 2, 0), eta=0.5 if name == "ddim" else 0.0)
    generator = torch.Generator().manual_seed(0)
    x_t, noise = torch.randn(2, 64, 32, generator=generator).bfloat16()

    def stepped(dtype):
        def denoise(x, t):  # the prediction does not depend on the dtype of x
            return Prediction(torch.full_like(x, 1 / t))

        state = sampler.init(x_t.to(dtype))
        return sampler.step(denoise, x_t.to(dtype), s, 4, noise.to(dtype), state)[0]

    got, want = stepped(torch.bfloat16), stepped(torch.float64)
    assert got.dtype == torch.bfloat16
    allowed = 2.0**-8 * want.abs() + 64 * 2.0**-24 * 40 * (1 + want.abs())
    assert ((got.double() - want).abs() <= allowed).all()


class OnlyNoise:
    """A sampler that draws noise at every step, including the last, and returns it."""

    times = (4, 3, 2, 1, 0)

    def init(self, x_t):
        pass

    def draws_noise(self, s, t):
        return True

    def step(self, denoise, x_t, s, t, noise, state):
        return noise, x_t, state


def test_every_step_and_x_T_draw_fresh_noise():
    snapshots = generate(OnlyNoise(), shrinking_denoiser, (2, 3), indices=[0, 1])
    numbers = torch.stack([each.x_t for each in snapshots])
    assert numbers.shape == (5, 2, 2, 3)
    assert len(numbers.unique()) == numbers.numel(), "a number occurs in two draws"


def test_snapshots_decrease_from_T_to_0_and_end_with_the_sample():
    snapshots = list(generate(Ancestral(STEEP), shrinking_denoiser, (2,), indices=[0, 1]))
    assert [each.t for each in snapshots] == [4, 3, 2, 1, 0]
    for each in snapshots[:-1]:
        assert isinstance(each, Snapshot)
        assert torch.equal(each.x0_hat, shrinking_denoiser(each.x_t, each.t).x0_hat)
    assert torch.equal(snapshots[-1].x_t, snapshots[-1].x0_hat)
    assert torch.equal(snapshots[-1].x_t, snapshots[-2].x0_hat)


def test_the_loop_can_be_stopped_at_any_timestep():
    calls = []

    def denoiser(x_t, t, cond=None):
        calls.append(t)
        return Prediction(x_t)

    snapshots = generate(Ancestral(LINEAR), denoiser, (2,), indices=[0])
    assert [next(snapshots).t, next(snapshots).t] == [60, 59]
    assert calls == [60, 59]


def test_cond_reaches_the_denoiser_and_no_graph_is_built():
    labels, weight = torch.tensor([3, 1]), torch.ones(1, requires_grad=True)

    def denoiser(x_t, t, cond=None):
        assert torch.equal(cond, labels)
        return Prediction(weight * x_t)

    for snapshot in generate(Ancestral(STEEP), denoiser, (2,), indices=[0, 1], cond=labels):
        assert not snapshot.x_t.requires_grad
        assert torch.is_grad_enabled(), "the caller's code is not run under no_grad"


def test_sampling_does_not_change_the_global_generator_or_x_T():
    x_T = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    before, state = x_T.clone(), torch.get_rng_state()
    last(sampling_loop(Ancestral(STEEP), shrinking_denoiser, x_T, lambda t: torch.ones(2, 3)))
    last(generate(Ancestral(STEEP), shrinking_denoiser, (3,), indices=[0, 1]))
    assert torch.equal(x_T, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("sampler", [Ancestral, DDIM, DPMSolver, Heun])
def test_networks_and_callers_may_write_in_what_they_get(sampler):
    """A network that centres its input in place, and a caller that clamps each snapshot."""

    def centred(x, t):
        x -= 0.25
        return x / 2

    def run(network, write):
        steps = sampler(STEEP), NetworkDenoiser(STEEP, network, "v"), (2,)
        for snapshot in generate(*steps, indices=range(3)):
            kept = snapshot.x_t.clone()
            if write:
                snapshot.x_t.zero_()
                snapshot.x0_hat.fill_(7.0)
        return kept

    want = run(lambda x, t: centred(x.clone(), t), write=False)
    assert torch.equal(run(centred, write=False), want)
    assert torch.equal(run(centred, write=True), want)


@pytest.mark.parametrize("indices", [range(3), [0, 1, 2], torch.arange(3), np.arange(3)])
def test_indices_of_samples_may_be_any_integers(indices):
    *_, want = generate(DDIM(STEEP), shrinking_denoiser, (2,), indices=range(3))
    *_, got = generate(DDIM(STEEP), shrinking_denoiser, (2,), indices=indices)
    assert torch.equal(got.x_t, want.x_t)


@pytest.mark.parametrize("indices", [[0.5], torch.tensor([True, False]), np.float64([1.0])])
def test_other_indices_are_refused(unchecked, indices):
    with pytest.raises(TypeError, match=r"indices holds .*; they are sample numbers"):
        generate(DDIM(STEEP), shrinking_denoiser, (2,), indices=indices)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_predictions_that_are_not_finite_are_refused(value):
    def denoiser(x_t, t, cond=None):
        x0_hat = x_t / 2
        x0_hat[1, 0] = value if t == 2 else 0.0
        return Prediction(x0_hat)

    with pytest.raises(ValueError, match="x0_hat of sample 1 is not finite at t = 2"):
        list(generate(DDIM(STEEP), denoiser, (2,), indices=range(3)))


def test_predictions_of_another_shape_are_refused():
    def denoiser(x_t, t, cond=None):
        return Prediction(x_t[:, :1])

    with pytest.raises(ValueError, match=r"x0_hat of shape \(3, 1\) on cpu for x_t of shape"):
        list(generate(DDIM(STEEP), denoiser, (2,), indices=range(3)))
