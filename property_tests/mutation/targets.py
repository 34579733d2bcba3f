"""What is mutated, and which files of the suite are to notice."""

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
    "losses": ("test_losses", TERMS, STRETCH),
    "guidance": ("test_guidance",),
    "samplers.ladders": ("test_ladders",),
    "samplers.ancestral": (
        "test_samplers",
        "test_losses::test_the_reverse_kernel_is_the_posterior_of_the_guess",
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
    "training.ema": ("test_ema",),
}
# The same for the statistical checks themselves, which are modules of the suite.
STATISTICS = {
    "statistics": ("meta.test_definitions", "meta.test_statistics"),
    "monte_carlo": ("meta.test_definitions", "meta.test_statistics"),
}
