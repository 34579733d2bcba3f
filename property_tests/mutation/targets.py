"""What is mutated, and which files of the suite are to notice."""

PLANTED = 5  # mutants, chosen by a hash, that each run of the suite has to kill
TERMS = "test_likelihood::test_each_term_is_a_divergence_or_decodes"
STRETCH = "test_likelihood::test_a_term_stands_for_all_levels_of_its_stretch"
REPORTS = "test_samplers::test_the_chain_reports_what_its_denoiser_said"

# Module -> files of the suite that attack it, or file::property, nearest first.
PROPERTIES = {
    "schedules": (
        "test_schedules",
        "test_forward_process",
        "test_samplers::test_a_chain_visits_every_level_where_none_are_named",
    ),
    "forward_process": ("test_forward_process",),
    "posterior": ("test_posterior",),
    "parameterization": ("test_parameterization",),
    "losses": (
        "test_losses",
        TERMS,
        STRETCH,
        "test_latent::test_what_latents_cost_is_their_divergence_from_noise",
    ),
    "latent": tuple(
        f"test_latent{name}"
        for name in (
            "::test_a_draw_is_the_mean_and_its_noise",
            "::test_the_loss_weighs_its_parts",
            "_scale::test_images_come_back_through_their_latents",
            "_scale::test_scaled_latents_have_mean_0_and_variance_1",
            "::test_with_the_law_of_the_latents_the_bound_is_the_density_of_the_data",
            "::test_the_bound_reads_grey_levels_where_data_have_them",
        )
    ),
    "learned_variance": ("test_learned_variance",),
    "guidance": ("test_guidance",),
    "samplers.timestep_spacing": ("test_timestep_spacing",),
    "samplers.ancestral": (
        "test_samplers",
        "test_losses::test_the_reverse_kernel_is_the_posterior_of_the_guess",
        "test_learned_variance::test_a_step_has_the_learned_variance",
    ),
    "samplers.ddim": ("test_ddim", REPORTS),
    "samplers.dpm_solver": ("test_dpm_solver", REPORTS),
    "samplers.heun": ("test_heun", REPORTS),
    "networks.embeddings": ("test_embeddings",),
    "likelihood": (
        TERMS,
        STRETCH,
        "test_likelihood::test_bits_count_the_levels_of_uniform_data",
    ),
    "probability_flow": tuple(
        f"test_probability_flow::test_{name}"
        for name in (
            "state_and_volume_go_up_by_heuns_steps",
            "a_probe_of_signs_is_exact_where_numbers_do_not_mix",
            "the_mean_over_all_signs_is_the_divergence",
            "a_density_is_noise_at_the_end_and_the_volume",
            "with_the_decoder_of_the_data_the_bound_is_their_density",
        )
    ),
    "training.ema": ("test_ema",),
}
# The same for the statistical checks themselves, which are modules of the suite.
STATISTICS = {
    "statistics.statistics": ("meta.test_definitions", "meta.test_statistics"),
    "statistics.monte_carlo": ("meta.test_definitions", "meta.test_statistics"),
}
