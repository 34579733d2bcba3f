"""A fault for each property that no known bug and no mutant turns red."""

import re
from typing import Any

import pytest

from .. import fresh_noise
from ..adapters.ddpm_core import DdpmCore
from ..known_bugs.run import CAUGHT, attack_with
from ..strategies import STEEP, STEEP_GRID
from . import bound_faults, faults, latent_faults

CONTROLS: list[tuple[type[DdpmCore], str, dict[str, Any]]] = [
    (
        faults.LossOfTheBatch,
        "test_contract.py::test_a_row_of_the_batch_is_the_batch_of_that_row",
        {"method": "loss"},
    ),
    (
        faults.NoiseFromTheGlobalGenerator,
        "test_contract.py::test_nothing_global_is_touched",
        {},
    ),
    (
        faults.DoubleOfAHalf,
        "test_contract.py::test_the_answer_is_of_the_kind_that_was_given",
        {"method": "q_sample"},
    ),
    (
        faults.WrappingTime,
        "test_contract.py::test_a_level_outside_the_clock_is_refused",
        {"method": "q_sample", "level": -1},
    ),
    (
        faults.RisingSignal,
        "test_schedules.py::test_signal_falls_at_every_step",
        {"family": "cosine"},
    ),
    (
        faults.ShiftWithoutScale,
        "test_schedules.py::test_zero_terminal_snr_shifts_and_scales_the_root",
        {},
    ),
    (faults.EveryOtherLevel, "test_embeddings.py::test_no_two_levels_look_alike", {}),
    (
        faults.OneNoiseForTheBatch,
        "test_samplers.py::test_samples_have_the_law_of_the_chain",
        {"sampler": "fixed_small", "times": (4, 2, 0)},
    ),
    (
        faults.OneNoiseForTheBatch,
        "test_samplers.py::test_samples_of_a_mixture_have_the_law_of_the_chain",
        {"sampler": "ddim"},
    ),
    (
        faults.WhatIsLeftOfTheRunBefore,
        "test_samplers.py::test_a_chain_leaves_nothing_behind",
        {"sampler": "dpm++2m"},
    ),
    (
        faults.WidePosterior,
        "test_posterior.py::test_simulated_pairs_leave_a_standard_normal_residual",
        {"betas": STEEP},
    ),
    (
        faults.GuessOfTheNextLevel,
        "test_samplers.py::test_the_chain_reports_what_its_denoiser_said",
        {"sampler": "fixed_small"},
    ),
    (
        faults.LastLevelLeftOut,
        "test_samplers.py::test_a_chain_visits_every_level_where_none_are_named",
        {},
    ),
    (
        faults.OctavesBackwards,
        "test_embeddings.py::test_waves_of_every_octave_stand_behind_the_image",
        {},
    ),
    (
        faults.DigitsLostInNoise,
        "test_schedules.py::test_a_linear_schedule_takes_its_end_points",
        {},
    ),
    (
        faults.DigitsLostInNoise,
        "test_schedules.py::test_a_thousand_equal_steps_add_up_without_loss",
        {},
    ),
    (faults.DigitsLostInNoise, "test_schedules.py::test_zero_terminal_snr_is_reached_once", {}),
    (faults.CapOfItsOwn, "test_schedules.py::test_a_cosine_schedule_takes_its_offset_and_cap", {}),
    (faults.CapOfItsOwn, "test_schedules.py::test_a_sigmoid_schedule_takes_its_shape", {}),
    (faults.BetasOneStepLate, "test_schedules.py::test_betas_are_what_each_step_loses", {}),
    (faults.LogSnrInBits, "test_schedules.py::test_log_snr_is_signal_over_noise", {}),
    (
        faults.Clipped,
        "test_contract.py::test_what_is_linear_scales",
        {"method": "q_sample", "factor": 2.0},
    ),
    (
        faults.ShiftedPosterior,
        "test_posterior.py::test_both_ways_of_splitting_the_joint_density_agree",
        {},
    ),
    (
        faults.LateTimes,
        "test_losses.py::test_training_draws_from_the_marginal_of_a_thousand_levels",
        {},
    ),
    (
        faults.LastOfAThousandNever,
        "test_losses.py::test_training_draws_from_the_marginal_of_a_thousand_levels",
        {},
    ),
    (
        faults.TimesOfPairs,
        "test_losses.py::test_training_draws_from_the_marginal",
        {"betas": STEEP},
    ),
    (faults.SortedTimes, "test_losses.py::test_training_draws_from_the_marginal", {"betas": STEEP}),
    (
        faults.ClippedFarUp,
        "test_samplers.py::test_the_chain_has_the_law_of_the_recursion",
        {"variance": "fixed_small", "event": (2,)},
    ),
    (
        faults.OneStrideForAll,
        "test_samplers.py::test_a_step_ends_where_the_next_one_begins",
        {"sampler": "ddim", "name": "trailing"},
    ),
    (
        faults.OneSlopeForTwo,
        "test_heun.py::test_it_asks_at_both_ends_of_a_step_but_never_at_data",
        {},
    ),
    (
        faults.OneSlopeForTwo,
        "test_heun.py::test_its_error_falls_with_the_square_of_the_number_of_steps",
        {},
    ),
    (
        faults.NothingRemembered,
        "test_dpm_solver.py::test_its_error_falls_with_the_square_of_the_number_of_steps",
        {},
    ),
    (
        faults.ALittleMoreEachStep,
        "test_dpm_solver.py::test_the_error_of_first_order_falls_with_the_number_of_steps",
        {},
    ),
    (
        faults.StateInPlaceOfTheGuess,
        "test_samplers.py::test_four_times_as_many_steps_come_three_times_as_near",
        {"sampler": "dpm++2m", "name": "log_snr"},
    ),
    (
        faults.ALittleMoreEachStep,
        "test_ddim.py::test_its_error_falls_with_the_number_of_steps",
        {},
    ),
    (
        faults.ALittleMoreEachStep,
        "test_dpm_solver.py::test_a_guess_that_never_changes_is_not_led_on",
        {},
    ),
    (
        faults.StateInPlaceOfTheGuess,
        "test_dpm_solver.py::test_first_order_is_ddim_without_noise",
        {},
    ),
    (
        faults.OneLevelUp,
        "test_ddim.py::test_the_error_of_going_up_and_down_falls_with_the_number_of_steps",
        {},
    ),
    (faults.OneLevelUp, "test_ddim.py::test_the_code_is_the_state_with_the_same_noise", {}),
    (faults.HalfOfEta, "test_ddim.py::test_at_eta_one_it_is_ancestral_sampling", {}),
    (
        faults.NoRescaling,
        "test_dpm_solver.py::test_the_chain_may_begin_where_no_signal_is_left",
        {"sampler": "dpm++2m"},
    ),
    *(
        (faults.OneRungDown, f"test_timestep_spacing.py::test_{name}", arguments)
        for name, arguments in (
            ("trailing_levels_lie_evenly_from_data", {}),
            ("linspace_levels_lie_evenly_from_the_first", {}),
            ("leading_levels_are_whole_strides_above_the_first", {}),
            ("log_snr_levels_are_the_nearest_free_ones", {"zero_terminal": True}),
        )
    ),
    (
        faults.OneRungShort,
        "test_timestep_spacing.py::test_a_ladder_of_n_steps_falls_to_data_in_n_steps",
        {"name": "linspace"},
    ),
    (faults.BatchStatistics, "test_networks.py::test_one_image_does_not_see_another", {}),
    (faults.NoZeroInitialisation, "test_networks.py::test_nothing_is_said_at_initialisation", {}),
    (faults.DeafToTime, "test_networks.py::test_time_reaches_the_answer", {}),
    (
        faults.DropoutInEvaluation,
        "test_networks.py::test_the_same_question_has_the_same_answer",
        {},
    ),
    (faults.SortedBatch, "test_networks.py::test_the_order_of_a_batch_does_not_matter", {}),
    (faults.DeadParameter, "test_networks.py::test_every_parameter_learns", {}),
    (
        faults.ClampedNoise,
        "test_losses.py::test_training_draws_from_the_marginal",
        {"betas": STEEP},
    ),
    *bound_faults.CONTROLS,
    *latent_faults.CONTROLS,
]


@pytest.mark.parametrize(
    ("wrong", "test", "arguments"), CONTROLS, ids=[each[0].__name__ for each in CONTROLS]
)
def test_the_fault_is_seen_and_only_the_fault(wrong, test, arguments):
    attack_with(DdpmCore, test, arguments)
    with pytest.raises(CAUGHT):
        attack_with(wrong, test, arguments)


def test_runs_with_fresh_noise_count_their_alarms(monkeypatch, capsys):
    monkeypatch.setattr(fresh_noise, "DdpmCore", faults.WidePosterior)
    assert fresh_noise.main(["--runs", "1"]) == 1
    counted = re.search(r"(\d+) false alarms", capsys.readouterr().out)
    # One for each of the four schedules, whose first pair of levels already fails.
    assert counted is not None
    assert int(counted[1]) == len(STEEP_GRID)
