"""The defaults of the implementation are those that its pages and papers give."""

from .protocol import Implementation

ORACLE = "a table of the documented values"

HO = "Ho et al. (2020), section 4: T = 1000, beta from 1e-4 to 0.02"
COSINE = "Nichol & Dhariwal (2021), section 3.2: s = 0.008, betas below 0.999"
SIGMOID = "Jabri et al. (2023), Algorithm 4; betas are capped as in cosine"
ALL = "Ho et al. (2020), Algorithm 2: every timestep"
SMALL = "Ho et al. (2020), section 3.2: beta-tilde"
PLAIN = "derivations: no option changes the equation"
LIBRARY = "a choice of this library, which the docstring gives"

# Function or class: the values of its arguments, and their source.
DOCUMENTED: dict[str, tuple[dict[str, object], str]] = {
    "Schedule.linear": ({"T": 1000, "beta_1": 1e-4, "beta_T": 0.02, "rescale": True}, HO),
    "Schedule.cosine": ({"T": 1000, "s": 0.008, "max_beta": 0.999}, COSINE),
    "Schedule.sigmoid": (
        {"T": 1000, "start": -3.0, "end": 3.0, "tau": 1.0, "max_beta": 0.999},
        SIGMOID,
    ),
    "check_time": ({"x": None}, PLAIN),
    "check_pair": ({"x": None}, PLAIN),
    "Prediction": ({"var_interpolation": None}, "Ho et al. (2020): no variance is learned"),
    "NetworkDenoiser": (
        {
            **{"parameterization": "eps", "learns_variance": False},
            **{"clock": "timestep", "label_name": None},
        },
        "Ho et al. (2020), section 3.2: the network predicts eps at t = 1..T",
    ),
    "GaussianPath.vp": (
        {"beta_min": 0.1, "beta_max": 20.0},
        "Song et al. (2021), appendix C: beta from 0.1 to 20",
    ),
    "PathDenoiser": (
        {"parameterization": "velocity"},
        "Lipman et al. (2023): the network predicts the velocity",
    ),
    "ClipX0": ({"low": -1.0, "high": 1.0}, "Eq. images.range"),
    "Guided": (
        {"scale": 1.0, "no_label": None, "rescale": 0.0, "interval": None},
        "derivations/guidance.md: scale 1 is the conditional prediction",
    ),
    "min_snr_weight": ({"gamma": 5.0}, "Hang et al. (2023), section 3.4: gamma = 5"),
    "prior_kl": ({"t": None}, "Eq. losses.prior: None is T"),
    "l_hybrid": ({"weight": 0.001}, "Nichol & Dhariwal (2021), section 3.1: lambda = 0.001"),
    "diffuse": ({"probabilities": None}, "Ho et al. (2020), Algorithm 1: t is uniform"),
    "reverse_kernel": ({"variance": "fixed_small", "var_interpolation": None}, SMALL),
    "reverse_of": ({"variance": "fixed_small", "cond": None}, SMALL),
    "vlb_terms": ({"times": ()}, ALL),
    "stratified_vlb": ({"strata": 20, "antithetic": False}, LIBRARY),
    "probability_flow": ({"probes": None, "times": (), "cond": None}, ALL),
    "flow_log_density": ({"probes": None, "times": (), "cond": None}, ALL),
    "flow_bound": ({"t": 1}, "Eq. probability-flow.data: the lowest timestep"),
    "Ancestral": ({"times": (), "variance": "fixed_small"}, f"{ALL}; {SMALL}"),
    "Ancestral.step": ({"state": None}, "Eq. ancestral.step: no state"),
    "DDIM": ({"times": (), "eta": 0.0}, "Song et al. (2021), section 4.1: eta = 0"),
    "DDIM.step": ({"state": None}, "Eq. ddim.step: no state"),
    "invert": ({"cond": None, "timestep": 0}, "Eq. ddim.invert: from data"),
    "DPMSolver": ({"times": (), "order": 2}, "Lu et al. (2022), Algorithm 2: 2M"),
    "Heun": ({"times": ()}, ALL),
    "Heun.step": ({"state": None}, "Eq. heun.step: no state"),
    "sampling_loop": ({"cond": None}, PLAIN),
    "generate": ({"seed": 0, "cond": None, "device": "cpu", "dtype": "torch.float32"}, PLAIN),
    "keyed_seed": ({"step": 0, "index": 0}, LIBRARY),
    "keyed_generator": ({"step": 0, "index": 0, "device": "cpu"}, LIBRARY),
    "keyed_noise": ({"device": "cpu", "dtype": "torch.float32"}, LIBRARY),
    "timestep_embedding": ({"max_period": 10_000.0}, "Vaswani et al. (2017), section 3.5"),
    "autoencoder_loss": ({"gradient_weight": 0.0}, "Eq. latent.loss without the last term"),
    "LatentSpace.encode": ({"noise": None}, "Eq. latent.posterior: its mean"),
    "Dataset": ({"reading": "<factory>"}, LIBRARY),  # an empty Reading: nothing was left out
    "load_dataset": (
        {
            **{"image_size": None, "background": None, "skip_unreadable": False},
            **{"grey_levels": None, "split_by_class": True},
        },
        LIBRARY,
    ),
    "UNet": (
        {
            **{"width": 32, "multipliers": (1, 2, 4), "blocks": 1, "attention": None},
            **{"dropout": 0.0, "classes": None, "fourier_frequencies": ()},
            "learns_variance": False,
        },
        LIBRARY,
    ),
    "UNet.forward": ({"labels": None}, PLAIN),
    "resampling": ({"stride": 1}, LIBRARY),
    "Autoencoder": ({"latent_channels": 4, "factor": 4, "width": 32, "blocks": 1}, LIBRARY),
}


def test_defaults_are_those_documented(impl: Implementation):
    """Changed, new and removed defaults fail by name. Add a new one to the table, with its source.

    Another implementation may have some of these functions only.
    """
    found = impl.defaults()
    ours = impl.name == "ddpm_core"
    wrong = [f"{call} has defaults that no page documents" for call in found.keys() - DOCUMENTED]
    for call, (documented, source) in DOCUMENTED.items():
        if call not in found:
            wrong += [f"{call} is gone, or has no defaults ({source})"] if ours else []
            continue
        values = {name: plain(value) for name, value in found[call].items()}
        for name in sorted(documented.keys() | values):
            want, got = (each.get(name, "no default") for each in (documented, values))
            if got != want or type(got) is not type(want):
                wrong.append(f"{call}({name} = {got!r}), but {want!r} is documented: {source}")
    assert not wrong, "\n".join(wrong)


def plain(value: object) -> object:
    """Return the value, or what it prints if it is neither a number nor a text."""
    if isinstance(value, tuple | int | float | str | None):
        return value
    return str(value)
