"""Modules to mutate, and the properties that must kill their mutants."""

MUTANTS_PER_RUN = 5  # selected by a hash
TERMS = "test_likelihood::test_each_term_is_a_kl_or_a_decoder_likelihood"
STRATUM = "test_likelihood::test_stratified_term_represents_its_stratum"
REPORTS = "test_samplers::test_reported_predictions_are_those_of_the_denoiser"

# Module -> files of the suite that cover it, or file::property, most specific first.
PROPERTIES = {
    "schedules": (
        "test_schedules",
        "test_forward_process",
        "test_samplers::test_default_timesteps_are_all_timesteps",
    ),
    "forward_process": ("test_forward_process",),
    "posterior": ("test_posterior",),
    "parameterization": ("test_parameterization",),
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
    "learned_variance": ("test_learned_variance",),
    "guidance": ("test_guidance",),
    "samplers.timestep_spacing": ("test_timestep_spacing",),
    "samplers.ancestral": (
        "test_samplers",
        "test_losses::test_reverse_kernel_is_the_posterior_at_the_prediction",
        "test_learned_variance::test_step_has_the_learned_variance",
    ),
    "samplers.ddim": ("test_ddim", REPORTS),
    "samplers.dpm_solver": ("test_dpm_solver", REPORTS),
    "samplers.heun": ("test_heun", REPORTS),
    "networks.embeddings": ("test_embeddings",),
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
    "training.ema": ("test_ema",),
}
# The same for the statistical checks, which are modules of the suite.
STATISTICS = {
    "statistics.statistics": ("meta.test_definitions", "meta.test_statistics"),
    "statistics.monte_carlo": ("meta.test_definitions", "meta.test_statistics"),
}
