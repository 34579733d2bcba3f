"""Cases of losses, the bound, samplers and guidance."""

from ..protocol import ANCESTRAL, PREDICTIONS
from .cases import (
    OF_LINE,
    Case,
    Topic,
    X,
    Y,
    Z,
    call,
    ends_of,
    first_steps,
    guidance,
    inversion,
    pairs_of,
    samples_of,
    steps_of,
)

LEFT = {"mean": X, "var": [[0.25, 1.0], [2.0, 0.0078125]]}
RIGHT = {"mean": Y, "var": [[1.0, 0.5], [2.0, 0.015625]]}
GREY = {"mean": [[-0.75, 0.25, 0.875]], "var": [[0.25, 0.015625, 1.0]]}
BOUND = {
    "betas": "steep",
    "denoiser": {"slope": 0.25, "offset": 0.0},
    "noises": [Y, Z, X, Y],
    "times": [4, 3, 2, 1, 0],
}
OF_GREY_LEVELS = [[-1.0, 0.5], [0.0, 1.0]]  # of five
NOISES = "noises[i] belongs to the step from times[i]; the last step has none."
ENDS = "solver_steps ends at times[-2]; its predictions are in the order of the evaluations."


def weights_of(method: str, **inputs: float) -> list[Case]:
    """Return a case for each prediction, and production ones for eps and v."""
    given = {"zero_terminal": False, **inputs}
    both = ("steep", "production")
    return [
        case
        for name in PREDICTIONS
        for case in ends_of(method, name, both if name in "eps v" else both[:1], **given, name=name)
    ]


MODEL = {
    "losses": Topic(
        "losses.simple losses.weighted losses.min-snr losses.constant-eps losses.constant-v"
        " losses.kl losses.decoder losses.decoder-lowest losses.decoder-highest",
        "With zero_terminal, the schedule is rescaled so that alpha_bar_T = 0. Divergences and"
        " logarithms are in nats. Grey levels are evenly spaced over [-1, 1].",
        [
            call("loss", prediction=X, target=Y),
            call("weighted_loss", prediction=X, target=Y, weight=[0.5, 3.0]),
            *weights_of("loss_weight", gamma=0.5),
            *weights_of("constant_weight"),
            *(
                call(
                    "loss_weight",
                    f"{name} zero SNR",
                    **{"betas": "steep", "name": name, "t": [4], "gamma": 5.0},
                    zero_terminal=True,
                )
                for name in PREDICTIONS
            ),
            call("gaussian_kl", left=LEFT, right=RIGHT),
            call("gaussian_kl", "of equals", left=LEFT, right=LEFT),
            *(
                call("log_grey_level", f"{L}", decoder=GREY, x_0=[[-1.0, x, 1.0]], grey_levels=L)
                for L, x in ((2, 1.0), (17, 0.125), (256, -1.0))
            ),
        ],
    ),
    "learned_variance": Topic(
        "learned-variance.range learned-variance.decoder learned-variance.importance",
        "The log variance is interpolated between those of the posterior (0) and the step (1); at"
        " s = 0 the lower end is the posterior variance of the pair (1, 2).",
        [
            *pairs_of("learned_kernel", x0_hat=X, x_t=Y, interpolation=[[0.5, 0.25], [0.75, 1.0]]),
            *steps_of("learned_step", interpolation=[[0.0, 0.25], [0.75, 1.25]]),
            call("timestep_probabilities", mean_squares=[4.0, 0.25, 0.0, 1.0]),
        ],
    ),
    "likelihood": Topic(
        "losses.split losses.prior likelihood.bits likelihood.dequantised",
        f"{OF_LINE} noises[i] makes x_t at times[i]. Terms of the bound are in nats, one row for"
        " each term: first the decoder's, last the prior's.",
        [
            *(
                call(
                    "vlb_of_denoiser",
                    f"{variance} {'density' if levels is None else 'grey levels'}",
                    **{**BOUND, "variance": variance, "x_0": x_0, "grey_levels": levels},
                )
                for variance in ANCESTRAL
                for levels, x_0 in ((None, X), (5, OF_GREY_LEVELS))
            ),
            call("bits_per_dim", nats=[1.0, 12.5], dims=3),
            call("dequantised_bits_per_dim", nats=[1.0, -12.5], dims=3, grey_levels=17),
        ],
    ),
    "ancestral": Topic(
        "ancestral.step ancestral.step-large",
        f"{OF_LINE} {NOISES}",
        [
            *(
                case
                for variance in ANCESTRAL
                for case in steps_of("reverse_step", variance, variance=variance)
            ),
            *(case for variance in ANCESTRAL for case in samples_of(variance)),
        ],
    ),
    "ddim": Topic(
        "ddim.step ddim.variance ddim.along ddim.invert",
        f"{OF_LINE} {NOISES} encode inverts eta = 0 from `timestep` to times[0]; each step predicts"
        " at the timestep of x, from 0 at the smallest nonzero time.",
        [
            *(
                case
                for eta in (0.0, 0.5, 1.0)
                for case in steps_of("ddim_step", f"eta {eta:g}", eta=eta)
            ),
            *samples_of("ddim"),
            *samples_of("ddim", 0.5),
            *(inversion(timestep) for timestep in (0, 1, 2)),
        ],
    ),
    "dpm_solver": Topic(
        "dpm-solver.h dpm-solver.first dpm-solver.second",
        f"{OF_LINE} {ENDS} dpm++2m begins with a step of order 1; the step to 0 returns the"
        " prediction.",
        [
            *(first_steps(sampler) for sampler in ("ddim", "dpm++1", "dpm++2m")),
            *(case for sampler in ("dpm++1", "dpm++2m") for case in samples_of(sampler)),
        ],
    ),
    "heun": Topic(
        "heun.euler heun.step",
        f"{OF_LINE} {ENDS} A step has two evaluations; the step to 0 is Euler's.",
        [first_steps("heun"), *samples_of("heun")],
    ),
    "guidance": Topic(
        "guidance.guess guidance.rescale",
        "The denoiser returns `conditional` for labels and `unconditional` without; x_t has no"
        " effect. interval: timesteps, ends included; elsewhere the scale is 1.",
        [
            *(guidance(f"scale {scale:g}", scale) for scale in (0.0, 0.5, 1.0, 3.0)),
            guidance("rescaled", 3.0, 0.75),
            guidance("rescaled completely", 7.5, 1.0),
            guidance("within the interval", 3.0, 0.0, [2, 3]),
            guidance("outside the interval", 3.0, 0.0, [1, 2]),
        ],
    ),
}
