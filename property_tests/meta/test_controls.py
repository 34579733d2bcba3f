"""A fault for each property that no known bug and no mutant turns red."""

import re
from typing import Any

import numpy as np
import pytest

from .. import fresh_noise
from ..adapters.ddpm_core import DdpmCore
from ..strategies import STEEP, STEEP_GRID
from .test_known_bugs import CAUGHT, attack_with


class LossOfTheBatch(DdpmCore):
    def loss(self, *arguments):
        return super().loss(*arguments) * 0 + super().loss(*arguments).mean()


class DoubleOfAHalf(DdpmCore):
    def kept(self, method, dtype, device):
        return super().kept(method, "float32", device)


class NoiseFromTheGlobalGenerator(DdpmCore):
    def training_draw(self, *arguments):
        np.random.standard_normal()  # noqa: NPY002 - the slip itself
        return super().training_draw(*arguments)


class WrappingTime(DdpmCore):
    def q_sample(self, betas, x_0, t, noise):
        return super().q_sample(betas, x_0, t % (len(betas) + 1), noise)


class RisingSignal(DdpmCore):
    def schedule(self, name, T):
        table = super().schedule(name, T)
        return np.concatenate([table[:-2], table[:-3:-1]]) if T > 2 else table


class ShiftWithoutScale(DdpmCore):
    def zero_terminal_snr(self, betas):
        root = np.sqrt(self.alpha_bar(betas))
        return np.append(1.0, (root[1:] - root[-1]) ** 2)


class EveryOtherLevel(DdpmCore):
    def embedding(self, t, width):
        return super().embedding(t // 2, width)


class OneNoiseForTheBatch(DdpmCore):
    def draw_samples(self, *arguments):
        samples = super().draw_samples(*arguments)
        return samples[:1] + 0 * samples


class WidePosterior(DdpmCore):
    def q_posterior(self, *arguments):
        mean, var = super().q_posterior(*arguments)
        return super().q_posterior(*arguments)._replace(mean=mean, var=1.1 * var)


class BatchStatistics(DdpmCore):
    def network(self, x_t, t, moved):
        return super().network(x_t - x_t.mean(axis=0), t, moved)


class NoZeroInitialisation(DdpmCore):
    def network(self, x_t, t, moved):
        return super().network(x_t, t, moved=True)


class DeafToTime(DdpmCore):
    def network(self, x_t, t, moved):
        return super().network(x_t, 0 * t, moved)


class DropoutInEvaluation(DdpmCore):
    def network(self, x_t, t, moved):
        return super().network(x_t, t, moved) * np.random.default_rng().uniform(0.5, 1.5)


class SortedBatch(DdpmCore):
    def network(self, x_t, t, moved):
        return super().network(x_t, np.sort(t), moved)


class DeadParameter(DdpmCore):
    def gradients(self, x_t, t):
        return super().gradients(x_t, t) | {"class embedding": 0.0}


class Clipped(DdpmCore):
    def q_sample(self, betas, x_0, t, noise):
        return super().q_sample(betas, x_0.clip(-1, 1), t, noise)


class ShiftedPosterior(DdpmCore):
    def q_posterior(self, betas, x_0, x_t, s, t):
        back = super().q_posterior(betas, x_0, x_t, s, t)
        return back._replace(mean=back.mean + 1e-6)


class LateTimes(DdpmCore):
    def training_draw(self, betas, x_0, seed):
        draw = super().training_draw(betas, x_0, seed)
        t = np.maximum(draw.t, len(betas) // 10 + 1)
        return draw._replace(t=t, x_t=self.q_sample(betas, x_0, t, draw.noise))


class ClampedNoise(DdpmCore):
    def training_draw(self, betas, x_0, seed):
        draw = super().training_draw(betas, x_0, seed)
        noise = draw.noise.clip(-3, 3)
        return draw._replace(noise=noise, x_t=self.q_sample(betas, x_0, draw.t, noise))


class GuessOfTheNextLevel(DdpmCore):
    def guesses(self, *arguments):
        return np.roll(super().guesses(*arguments), 1, axis=0) + 1


class LastLevelLeftOut(DdpmCore):
    def default_times(self, T):
        return super().default_times(T)[1:]


class OctavesBackwards(DdpmCore):
    def fourier_features(self, x, octaves):
        return super().fourier_features(x, octaves[::-1])


class DigitsLostInNoise(DdpmCore):
    def shaped_schedule(self, *arguments):
        levels = super().shaped_schedule(*arguments)
        return levels._replace(noise=1 - levels.signal)

    def rescaled(self, *arguments):
        levels = super().rescaled(*arguments)
        return levels._replace(noise=1 - levels.signal)


class CapOfItsOwn(DdpmCore):
    def shaped_schedule(self, name, T, shape):
        return super().shaped_schedule(name, T, {**shape, "max_beta": 0.25})


class BetasOneStepLate(DdpmCore):
    def betas(self, alpha_bar):
        return np.roll(super().betas(alpha_bar), 1)


class LogSnrInBits(DdpmCore):
    def log_snr(self, *arguments):
        return super().log_snr(*arguments) / np.log(2)


CONTROLS: list[tuple[type[DdpmCore], str, dict[str, Any]]] = [
    (
        LossOfTheBatch,
        "test_contract.py::test_a_row_of_the_batch_is_the_batch_of_that_row",
        {"method": "loss"},
    ),
    (
        NoiseFromTheGlobalGenerator,
        "test_contract.py::test_nothing_global_is_touched",
        {},
    ),
    (
        DoubleOfAHalf,
        "test_contract.py::test_the_answer_is_of_the_kind_that_was_given",
        {"method": "q_sample"},
    ),
    (
        WrappingTime,
        "test_contract.py::test_a_level_outside_the_clock_is_refused",
        {"method": "q_sample", "level": -1},
    ),
    (RisingSignal, "test_schedules.py::test_signal_falls_at_every_step", {"family": "cosine"}),
    (
        ShiftWithoutScale,
        "test_schedules.py::test_zero_terminal_snr_shifts_and_scales_the_root",
        {},
    ),
    (EveryOtherLevel, "test_embeddings.py::test_no_two_levels_look_alike", {}),
    (
        OneNoiseForTheBatch,
        "test_samplers.py::test_samples_have_the_law_of_the_chain",
        {"variance": "fixed_small", "times": (4, 2, 0)},
    ),
    (
        WidePosterior,
        "test_posterior.py::test_simulated_pairs_leave_a_standard_normal_residual",
        {"betas": STEEP},
    ),
    (
        GuessOfTheNextLevel,
        "test_samplers.py::test_the_chain_reports_what_its_denoiser_said",
        {"variance": "fixed_small"},
    ),
    (
        LastLevelLeftOut,
        "test_samplers.py::test_a_chain_visits_every_level_where_none_are_named",
        {},
    ),
    (
        OctavesBackwards,
        "test_embeddings.py::test_waves_of_every_octave_stand_behind_the_image",
        {},
    ),
    (
        DigitsLostInNoise,
        "test_schedules.py::test_a_linear_schedule_takes_its_end_points",
        {},
    ),
    (
        DigitsLostInNoise,
        "test_schedules.py::test_a_thousand_equal_steps_add_up_without_loss",
        {},
    ),
    (DigitsLostInNoise, "test_schedules.py::test_zero_terminal_snr_is_reached_once", {}),
    (CapOfItsOwn, "test_schedules.py::test_a_cosine_schedule_takes_its_offset_and_cap", {}),
    (CapOfItsOwn, "test_schedules.py::test_a_sigmoid_schedule_takes_its_shape", {}),
    (BetasOneStepLate, "test_schedules.py::test_betas_are_what_each_step_loses", {}),
    (LogSnrInBits, "test_schedules.py::test_log_snr_is_signal_over_noise", {}),
    (
        Clipped,
        "test_contract.py::test_what_is_linear_scales",
        {"method": "q_sample", "factor": 2.0},
    ),
    (
        ShiftedPosterior,
        "test_posterior.py::test_both_ways_of_splitting_the_joint_density_agree",
        {},
    ),
    (
        LateTimes,
        "test_losses.py::test_training_draws_from_the_marginal_of_a_thousand_levels",
        {},
    ),
    (BatchStatistics, "test_networks.py::test_one_image_does_not_see_another", {}),
    (NoZeroInitialisation, "test_networks.py::test_nothing_is_said_at_initialisation", {}),
    (DeafToTime, "test_networks.py::test_time_reaches_the_answer", {}),
    (DropoutInEvaluation, "test_networks.py::test_the_same_question_has_the_same_answer", {}),
    (SortedBatch, "test_networks.py::test_the_order_of_a_batch_does_not_matter", {}),
    (DeadParameter, "test_networks.py::test_every_parameter_learns", {}),
    (ClampedNoise, "test_losses.py::test_training_draws_from_the_marginal", {"betas": STEEP}),
]


@pytest.mark.parametrize(
    ("wrong", "test", "arguments"), CONTROLS, ids=[each[0].__name__ for each in CONTROLS]
)
def test_the_fault_is_seen_and_only_the_fault(wrong, test, arguments):
    attack_with(DdpmCore, test, arguments)
    with pytest.raises(CAUGHT):
        attack_with(wrong, test, arguments)


def test_runs_with_fresh_noise_count_their_alarms(monkeypatch, capsys):
    monkeypatch.setattr(fresh_noise, "DdpmCore", WidePosterior)
    assert fresh_noise.main(["--runs", "1"]) == 1
    counted = re.search(r"(\d+) false alarms", capsys.readouterr().out)
    # One for each of the four schedules, whose first pair of levels already fails.
    assert counted is not None
    assert int(counted[1]) == len(STEEP_GRID)
