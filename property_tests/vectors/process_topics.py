"""Cases of schedules, the forward process, its posterior, conversions, embeddings and latents."""

from itertools import permutations

from ..chains.linear_autoencoder import DECODE, ENCODE, LOG_VARS, SCALE
from ..protocol import ANCESTRAL, PREDICTIONS, TIMESTEP_SPACINGS
from .cases import Topic, X, Y, call, ends_of, pairs_of

LINEAR = {"beta_1": 0.125, "beta_T": 0.75, "rescale": False}
COSINE = {"s": 0.008, "max_beta": 0.999}
SIGMOID = {"start": -3.0, "end": 3.0, "tau": 1.0, "max_beta": 0.999}
CONVERSIONS = list(permutations(PREDICTIONS, 2))
MOMENTS = [[0.5, -1.0, 1.0, -2.0], [0.25, 3.0, 0.0, 0.5]]
AUTOENCODER = {
    "encode": ENCODE.tolist(),
    "decode": DECODE.tolist(),
    "log_var": LOG_VARS.tolist(),
    "shift": SCALE.shift.tolist(),
    "scale": SCALE.scale.tolist(),
}

PROCESS = {
    "schedules": Topic(
        "schedules.alpha-bar schedules.linear schedules.cosine schedules.sigmoid schedules.beta"
        " schedules.log-snr schedules.zero-terminal-snr",
        "A table runs over t = 0..T. With `at`, the answers are those at these timesteps.",
        [
            call("alpha_bar", "steep", betas="steep"),
            call("alpha_bar", "extreme", betas="extreme"),
            call("alpha_bar", "production", betas="production")._replace(
                at=(0, 1, 2, 500, 999, 1000)
            ),
            call("zero_terminal_snr", "steep", betas="steep"),
            call("zero_terminal_snr", "production", betas="production")._replace(
                at=(0, 1, 500, 999, 1000)
            ),
            *(
                call("schedule", f"{name} {T}", name=name, T=T)._replace(at=(0, 1, 2, T // 2, T))
                for name in ("linear", "cosine")
                for T in (1000, 250, 30)
            ),
            *(
                call("shaped_schedule", name, name=name, T=4, shape=shape)
                for name, shape in (("linear", LINEAR), ("cosine", COSINE), ("sigmoid", SIGMOID))
            ),
            call("betas", alpha_bar=[0.875, 0.4375, 0.3125, 0.0625]),
            *ends_of("log_snr"),
        ],
    ),
    "timestep_spacing": Topic(
        "ancestral.ladder ddim.linspace ddim.leading ddim.even-log-snr",
        "steps + 1 timesteps, which decrease to 0. No case has a tie.",
        [
            call("timestep_spacing", f"{name} {N} of {betas}", name=name, betas=betas, steps=N)
            for betas, N in (("steep", 4), ("production", 1), ("production", 6))
            for name in TIMESTEP_SPACINGS
        ],
    ),
    "forward_process": Topic(
        "forward-process.marginal forward-process.step forward-process.sample",
        "",
        [
            *ends_of("q_marginal", x_0=X),
            *pairs_of("q_step", x_s=X),
            *ends_of("q_sample", x_0=X, noise=Y),
            call("q_sample", "data", betas="steep", x_0=X, t=[0, 0], noise=Y),
        ],
    ),
    "posterior": Topic(
        "posterior.mean posterior.var losses.mean-hat losses.decoder-variance",
        "The fixed variance of p(x_s | x_t) is that of the posterior (fixed_small) or that of the"
        " step (fixed_large); at s = 0 it is that of the step for both.",
        [
            *pairs_of("q_posterior", x_0=X, x_t=Y),
            *(
                case
                for variance in ANCESTRAL
                for case in pairs_of("reverse_kernel", variance, variance=variance, x0_hat=X, x_t=Y)
            ),
        ],
    ),
    "parameterization": Topic(
        "parameterization.v parameterization.score "
        + " ".join(f"parameterization.{a}-to-{b}" for a, b in CONVERSIONS),
        "v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0, score = -eps / sqrt(1 - alpha_bar)."
        " convert_data is convert at t = 0, where alpha_bar = 1.",
        [
            *(
                case
                for a, b in CONVERSIONS
                for case in ends_of(
                    "convert",
                    f"{a} to {b}",
                    ("steep", "production") if b == "x0" else ("steep",),
                    **{"source": a, "target": b, "value": X, "x_t": Y},
                )
            ),
            *(
                call(
                    "convert_data",
                    f"{a} to {b}",
                    **{"betas": "steep", "source": a, "target": b, "value": X, "x_0": Y},
                )
                for a, b in (("eps", "x0"), ("eps", "v"), ("v", "x0"), ("v", "eps"))
            ),
            *(
                case
                for name in PREDICTIONS
                for case in ends_of("target", name, ("steep",), name=name, x_0=X, noise=Y)
            ),
        ],
    ),
    "embeddings": Topic(
        "embeddings.frequency embeddings.sinusoidal embeddings.cosines embeddings.fourier",
        "All sines, then all cosines; the longest period is 10,000 unless given. The allowed error"
        " grows with t, because the angle is rounded. ddpm_core returns float32.",
        [
            call("embedding", "first and last", t=[0, 1, 1000], width=4),
            call("embedding", "odd timestep", t=[937], width=8),
            call("embedding_of_period", t=[3, 63], width=4, max_period=100.0),
            call("fourier_features", x=[[[[0.125, -0.75]], [[0.5, 1.0]]]], frequencies=[0, 3]),
        ],
    ),
    "images": Topic(
        "images.range",
        "Grey levels 0..grey_levels - 1 become numbers in [-1, 1]. ddpm_core returns float32.",
        [
            call("to_unit_range", f"{L}", images=[[[[0, middle, L - 1]]]], grey_levels=L)
            for L, middle in ((2, 1), (17, 5), (256, 100))
        ],
    ),
    "ema": Topic(
        "ema.update",
        "weights[0] is the initial state; the answers are the decays and averages after each step,"
        " and the last buffers. A decay below 0.1 is the same with and without warm-up.",
        [
            call(
                "ema",
                decay=0.0625,
                weights=[[1.0, -2.0], [0.5, 3.0], [2.0, 0.25], [-1.0, 0.0]],
                buffers=[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]],
            )
        ],
    ),
    "latent": Topic(
        "latent.posterior latent.kl latent.shift latent.spread latent.scale latent.unscale",
        "Moments are means, then log variances, along the channels. The autoencoder is linear:"
        " means encode x, log variances log_var, images decode z. Latents are scaled to"
        " (z - shift) / scale, per channel.",
        [
            call("latent_draw", moments=MOMENTS, noise=X),
            call("latent_kl", moments=MOMENTS),
            call("latent_scale", latents=[[0.5, 16.0], [-1.25, 18.0], [2.0, 17.5]]),
            call("to_latents", "means", autoencoder=AUTOENCODER, x=X, noise=None),
            call("to_latents", "sample", autoencoder=AUTOENCODER, x=X, noise=Y),
            call("from_latents", autoencoder=AUTOENCODER, y=X),
        ],
    ),
}
