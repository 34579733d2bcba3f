"""An injected fault for each property that fails for no known bug and no mutant."""

import re
from typing import Any

import pytest

from .. import fresh_noise
from ..adapters.ddpm_core import DdpmCore
from ..known_bugs.run import CAUGHT, run_on_correct_code, run_property_on
from ..strategies import STEEP, STEEP_GRID
from . import bound_faults, faults, latent_faults

CONTROLS: list[tuple[type[DdpmCore], str, dict[str, Any]]] = [
    (
        faults.BatchMeanLoss,
        "test_contract.py::test_samples_of_a_batch_are_independent",
        {"method": "loss"},
    ),
    (
        faults.NoiseFromTheGlobalGenerator,
        "test_contract.py::test_global_state_is_not_modified",
        {},
    ),
    (
        faults.AlwaysFloat32,
        "test_contract.py::test_dtype_and_device_follow_the_input",
        {"method": "q_sample"},
    ),
    (
        faults.WrappingTimesteps,
        "test_contract.py::test_timesteps_out_of_range_are_refused",
        {"method": "q_sample", "timestep": -1},
    ),
    (
        faults.NonmonotoneAlphaBar,
        "test_schedules.py::test_alpha_bar_decreases_strictly",
        {"family": "cosine"},
    ),
    (
        faults.ShiftWithoutScale,
        "test_schedules.py::test_zero_terminal_snr_shifts_and_scales_sqrt_alpha_bar",
        {},
    ),
    (faults.HalvedTimesteps, "test_embeddings.py::test_embeddings_of_all_timesteps_differ", {}),
    (
        faults.SharedNoise,
        "test_samplers.py::test_samples_follow_the_exact_distribution",
        {"sampler": "fixed_small", "times": (4, 2, 0)},
    ),
    (
        faults.SharedNoise,
        "test_samplers.py::test_mixture_samples_follow_the_exact_distribution",
        {"sampler": "ddim"},
    ),
    (
        faults.StateFromThePreviousRun,
        "test_samplers.py::test_sampling_runs_are_independent",
        {"sampler": "dpm++2m"},
    ),
    (
        faults.InflatedPosteriorVariance,
        "test_posterior.py::test_residuals_of_simulated_pairs_are_standard_normal",
        {"betas": STEEP},
    ),
    (
        faults.PredictionsOffByOne,
        "test_samplers.py::test_reported_predictions_are_those_of_the_denoiser",
        {"sampler": "fixed_small"},
    ),
    (
        faults.DefaultTimestepsWithoutT,
        "test_samplers.py::test_default_timesteps_are_all_timesteps",
        {},
    ),
    (
        faults.ReversedFrequencies,
        "test_embeddings.py::test_fourier_features_follow_the_image_channels",
        {},
    ),
    (
        faults.CancellationInNoise,
        "test_schedules.py::test_linear_schedule_with_any_end_points",
        {},
    ),
    (
        faults.CancellationInNoise,
        "test_schedules.py::test_a_thousand_equal_steps_lose_no_precision",
        {},
    ),
    (
        faults.CancellationInNoise,
        "test_schedules.py::test_zero_terminal_snr_rescaling_is_idempotent",
        {},
    ),
    (
        faults.FixedMaxBeta,
        "test_schedules.py::test_cosine_schedule_with_any_offset_and_max_beta",
        {},
    ),
    (faults.FixedMaxBeta, "test_schedules.py::test_sigmoid_schedule_with_any_shape", {}),
    (faults.BetasOffByOne, "test_schedules.py::test_betas_are_recovered_from_alpha_bar", {}),
    (faults.LogSnrInBits, "test_schedules.py::test_log_snr_matches_its_definition", {}),
    (
        faults.ClippedData,
        "test_contract.py::test_linear_methods_scale_with_their_inputs",
        {"method": "q_sample", "factor": 2.0},
    ),
    (
        faults.ShiftedPosterior,
        "test_posterior.py::test_both_factorizations_of_the_joint_density_agree",
        {},
    ),
    (
        faults.MissingEarlyTimesteps,
        "test_losses.py::test_training_samples_follow_the_marginal_at_a_thousand_timesteps",
        {},
    ),
    (
        faults.MissingLastTimestep,
        "test_losses.py::test_training_samples_follow_the_marginal_at_a_thousand_timesteps",
        {},
    ),
    (
        faults.PairedTimesteps,
        "test_losses.py::test_training_samples_follow_the_marginal",
        {"betas": STEEP},
    ),
    (
        faults.SortedTimesteps,
        "test_losses.py::test_training_samples_follow_the_marginal",
        {"betas": STEEP},
    ),
    (
        faults.ClippedAtLargeTimesteps,
        "test_samplers.py::test_output_distribution_matches_the_recursion",
        {"variance": "fixed_small", "event": (2,)},
    ),
    (
        faults.ConstantStride,
        "test_samplers.py::test_steps_connect_along_a_timestep_spacing",
        {"sampler": "ddim", "name": "trailing"},
    ),
    (
        faults.StrideAlongEvenTimesteps,
        "test_own_timesteps.py::test_output_distribution_is_that_of_its_timesteps",
        {"sampler": "ddim", "steps": 60},
    ),
    (
        faults.StrideAlongEvenTimesteps,
        "test_own_timesteps.py::test_error_does_not_grow_with_more_steps",
        {"sampler": "ddim"},
    ),
    (
        faults.StateFromThePreviousRun,
        "test_own_timesteps.py::test_runs_along_its_own_timesteps_leave_nothing_behind",
        {},
    ),
    *(
        (each, "test_own_timesteps.py::test_moments_converge_with_the_order_that_is_claimed", {})
        for each in (
            *(faults.FirstOrderOnly, faults.HeunAsDdim, faults.SmallerNoise),
            faults.StrideAlongTrailingTimesteps,
        )
    ),
    (
        faults.HeunAsDdim,
        "test_heun.py::test_evaluates_both_ends_of_a_step_but_never_the_data",
        {},
    ),
    (
        faults.HeunAsDdim,
        "test_heun.py::test_convergence_is_second_order",
        {},
    ),
    (
        faults.FirstOrderOnly,
        "test_dpm_solver.py::test_convergence_is_second_order",
        {},
    ),
    (
        faults.ScaledPredictions,
        "test_dpm_solver.py::test_order_one_converges_at_first_order",
        {},
    ),
    (
        faults.StateAsPrediction,
        "test_samplers.py::test_four_times_the_steps_reduce_the_error_threefold",
        {"sampler": "dpm++2m", "name": "log_snr"},
    ),
    (
        faults.ScaledPredictions,
        "test_ddim.py::test_convergence_is_first_order",
        {},
    ),
    (
        faults.ScaledPredictions,
        "test_dpm_solver.py::test_constant_prediction_needs_no_extrapolation",
        {},
    ),
    (
        faults.StateAsPrediction,
        "test_dpm_solver.py::test_first_order_is_deterministic_ddim",
        {},
    ),
    (
        faults.InversionFromAHigherTimestep,
        "test_ddim.py::test_inversion_round_trip_is_first_order",
        {},
    ),
    (faults.InversionFromAHigherTimestep, "test_ddim.py::test_inversion_keeps_the_noise", {}),
    (faults.HalvedEta, "test_ddim.py::test_eta_one_is_ancestral_sampling", {}),
    (
        faults.NoZeroTerminalRescaling,
        "test_dpm_solver.py::test_sampling_may_start_at_zero_terminal_snr",
        {"sampler": "dpm++2m"},
    ),
    *(
        (faults.ShiftedTimestep, f"test_timestep_spacing.py::test_{name}", arguments)
        for name, arguments in (
            ("trailing_timesteps_are_even_from_zero", {}),
            ("trailing_timesteps_are_rounded", {}),
            ("linspace_timesteps_are_even_from_one_to_T", {}),
            ("leading_timesteps_are_integer_strides_above_one", {}),
            ("log_snr_timesteps_are_nearest_to_even_log_snr", {"zero_terminal": True}),
        )
    ),
    (
        faults.OneStepTooFew,
        "test_timestep_spacing.py::test_spacing_has_the_requested_number_of_steps",
        {"name": "linspace"},
    ),
    (faults.BatchStatistics, "test_networks.py::test_images_of_a_batch_are_independent", {}),
    (faults.NoZeroInitialization, "test_networks.py::test_output_is_zero_at_initialization", {}),
    (faults.IgnoresTimesteps, "test_networks.py::test_output_depends_on_the_timestep", {}),
    (
        faults.DropoutInEvaluation,
        "test_networks.py::test_evaluation_is_deterministic",
        {},
    ),
    (faults.SortedNetworkTimesteps, "test_networks.py::test_batch_order_does_not_matter", {}),
    (faults.DeadParameter, "test_networks.py::test_every_parameter_has_a_gradient", {}),
    (
        faults.ClampedNoise,
        "test_losses.py::test_training_samples_follow_the_marginal",
        {"betas": STEEP},
    ),
    *bound_faults.CONTROLS,
    *latent_faults.CONTROLS,
]


@pytest.mark.parametrize(
    ("wrong", "test", "arguments"), CONTROLS, ids=[each[0].__name__ for each in CONTROLS]
)
def test_injected_fault_fails_and_correct_code_passes(wrong, test, arguments):
    run_on_correct_code(test, arguments)
    with pytest.raises(CAUGHT):
        run_property_on(wrong, test, arguments)


def test_fresh_noise_runs_count_false_alarms(monkeypatch, capsys):
    monkeypatch.setattr(fresh_noise, "DdpmCore", faults.InflatedPosteriorVariance)
    assert fresh_noise.main(["--runs", "1"]) == 1
    counted = re.search(r"(\d+) false alarms", capsys.readouterr().out)
    # One for each of the four schedules: the first pair of timesteps fails.
    assert counted is not None
    assert int(counted[1]) == len(STEEP_GRID)
