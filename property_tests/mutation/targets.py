"""Modules to mutate, all of the verified core, and the properties that must kill their mutants."""

import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .operators import Mutant, has_mutants, mutants

SUITE = Path(__file__).parent.parent
_HOME = __package__.rpartition("property_tests")[0]  # "" or, in a wheel, "ddpm_core."
_core = importlib.import_module(f"{_HOME}derivations.checker.verified_core")

MUTANTS_PER_RUN = 5  # selected by a hash
KINDS = "test_contract::test_dtype_and_device_follow_the_input"
TERMS = "test_likelihood::test_each_term_is_a_kl_or_a_decoder_likelihood"
STRATUM = "test_likelihood::test_stratified_term_represents_its_stratum"
REPORTS = "test_samplers::test_reported_predictions_are_those_of_the_denoiser"

# Module -> files of the suite that cover it, or file::property, most specific first. The default is
# the file of its name: forward_process is covered by test_forward_process.
NEAREST: Mapping[str, tuple[str, ...]] = {
    "_types": (
        "test_clock::test_a_coefficient_gets_one_entry_per_sample",
        "test_forward_process",
        "test_losses::test_loss_is_the_mean_square_of_each_sample",
        "test_latent::test_latent_sample_is_mean_plus_scaled_noise",
        "test_state_precision::test_state_of_half_precision_is_as_accurate_as_float32",
    ),
    "clock": ("test_clock", KINDS),
    "data.dataset": ("test_images",),
    "samplers.base": tuple(
        f"test_samplers::test_{name}"
        for name in (
            "trajectory_is_reported_at_every_timestep",
            "default_timesteps_are_all_timesteps",
            "sampling_seed_determines_the_samples",
            "reported_predictions_are_those_of_the_denoiser",
            "output_distribution_matches_the_recursion",
        )
    ),
    "training.step": (
        "test_step",
        "test_losses::test_training_sample_contains_the_returned_noise",
        "test_learned_variance::test_hybrid_loss_separates_prediction_and_variance_gradients",
    ),
    "schedules": (
        "test_schedules",
        "test_forward_process",
        "test_samplers::test_default_timesteps_are_all_timesteps",
    ),
    "losses": (
        "test_losses",
        TERMS,
        STRATUM,
        "test_latent::test_latent_kl_is_the_divergence_from_standard_normal",
    ),
    "latent": tuple(
        f"test_latent{name}"
        for name in (
            "::test_latent_sample_is_mean_plus_scaled_noise",
            "::test_autoencoder_loss_is_the_weighted_sum_of_its_terms",
            "_scale::test_decoding_inverts_encoding",
            "_scale::test_scaled_latents_have_mean_0_and_variance_1",
            "::test_exact_latent_density_makes_the_bound_exact",
            "::test_latent_bound_uses_grey_level_probabilities",
        )
    ),
    "samplers.ancestral": (
        "test_samplers",
        "test_losses::test_reverse_kernel_is_the_posterior_at_the_prediction",
        "test_learned_variance::test_step_has_the_learned_variance",
    ),
    "samplers.ddim": ("test_ddim", REPORTS),
    "samplers.dpm_solver": ("test_dpm_solver", REPORTS),
    "samplers.heun": ("test_heun", REPORTS),
    "likelihood": (
        TERMS,
        STRATUM,
        "test_likelihood::test_bits_per_dim_of_uniform_grey_levels",
    ),
    "probability_flow": tuple(
        f"test_probability_flow::test_{name}"
        for name in (
            "state_and_log_volume_follow_heuns_method",
            "rademacher_probe_is_exact_for_a_diagonal_jacobian",
            "mean_over_all_rademacher_probes_is_the_divergence",
            "log_density_is_noise_density_plus_log_volume",
            "exact_decoder_makes_the_flow_bound_exact",
        )
    ),
}


def properties_by_module(
    package: Path = _core.PACKAGE, suite: Path = SUITE
) -> dict[str, tuple[str, ...]]:
    """Return the properties of every module of the verified core, none if none are known."""
    found = {}
    for module in _core.modules(package):
        name = module.replace("/", ".")
        file = f"test_{name.rpartition('.')[2]}"
        found[name] = NEAREST.get(name) or ((file,) if (suite / f"{file}.py").is_file() else ())
    return found


PROPERTIES = properties_by_module()
# The same for the statistical checks, which are modules of the suite.
STATISTICS = {
    "statistics.statistics": ("meta.test_definitions", "meta.test_statistics"),
    "statistics.monte_carlo": ("meta.test_definitions", "meta.test_statistics"),
}

IN_PRECISION = (
    "test_precision", "test_gradients", "test_state_precision", "test_stopped_gradients", KINDS,
)  # fmt: skip
# Guard, or kind of a guarded mutant -> properties that meet it in calls of any module.
UNDER: Mapping[str, tuple[str, ...]] = {
    "float16": IN_PRECISION,
    "bfloat16": IN_PRECISION,
    "float32": IN_PRECISION,
    "requires_grad": ("test_gradients", "test_stopped_gradients"),
    "detach()": ("test_gradients", "test_stopped_gradients"),
    "one sample": ("test_circumstances", "test_sizes", "test_state_precision"),
    "more than 64 samples": ("test_circumstances", "test_sizes", "test_state_precision"),
    "T > 1000": ("test_circumstances", "test_sizes", "test_state_precision"),
    "t == T": ("test_circumstances",),
    "labels": ("test_circumstances", "test_labels"),
    "second call": ("test_circumstances", "test_gradients", "test_state_machines"),
    "default": ("test_defaults",),
    "cache": ("test_circumstances",),
}


def properties_under(kind: str) -> tuple[str, ...]:
    """Return the properties whose calls meet the guard."""
    return UNDER.get(kind, ())


def mutants_of(name: str, source: str) -> list[Mutant]:
    """Return the mutants of a module's functions that belong to the verified core."""
    return mutants(source, left_out(name))


def left_out(name: str) -> set[str]:
    """Return the functions of a module that do not belong to the verified core."""
    found: set[str] = _core.left_out(name.replace(".", "/"))
    return found


@cache  # the controls add one module to the same others
def _is_mutated(name: str, source: str) -> bool:
    return has_mutants(source, left_out(name))


def unverified(package: Path = _core.PACKAGE, suite: Path = SUITE) -> list[str]:
    """Return a sentence for each module without properties or mutants."""
    found, lists = [], "property_tests/mutation/targets.py"
    for name, properties in properties_by_module(package, suite).items():
        path = f"{name.replace('.', '/')}.py"
        if not properties:
            stem = name.rpartition(".")[2]
            found.append(
                f"ddpm_core/{path} has no property: write property_tests/test_{stem}.py, or list "
                f"the properties that test it in {lists}"
            )
        if not _is_mutated(name, (package / path).read_text(encoding="utf-8")):
            found.append(
                f"ddpm_core/{path} has no mutants: nothing shows that its tests can fail. List it "
                "with the reason under EXCEPTIONS in derivations/checker/verified_core.py"
            )
    gone = sorted(NEAREST.keys() - properties_by_module(package, suite).keys())
    found += [f"{lists} lists {name}, which is no module of the verified core" for name in gone]
    return found
