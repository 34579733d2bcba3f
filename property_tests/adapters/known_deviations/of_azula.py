"""Known deviations of azula."""

from ...protocol import Deviation
from .checks import BUILT_IN, CONVERSION, DDIM_CHAIN, DDIM_STEP, EMBEDDING, REFUSED, SAMPLE, STEP

VP = "azula 0.11.1, noise.py, VPSchedule.sigma"
CANCELS = "sigma_t is the root of 1 - alpha_t^2, which cancels for alpha_t near 1."
PRODUCT = "alpha_bar_t is a plain product of 1 - beta_t, and beta_t is 1 minus a quotient."
ADM = "azula 0.11.1, plugins/adm/__init__.py, AblatedDenoiser.__init__"


def _eta_unsquared(effect: str) -> Deviation:
    return Deviation(
        "The fraction of new noise is proportional to eta instead of eta^2: its eta is the square "
        "of that of Song et al. (2021).",
        effect,
        "azula 0.11.1, sample.py, DDIMSampler.step",
    )


AZULA: dict[str, Deviation] = {
    SAMPLE: Deviation(CANCELS, "5.5e-14 of sigma_t at t = 1 of GENTLE, in float64", VP),
    f"{CONVERSION}[eps-x0]": Deviation(CANCELS, "5.5e-14 of the noise at t = 1 of GENTLE", VP),
    f"{CONVERSION}[v-x0]": Deviation(CANCELS, "5.5e-14 of the v at t = 1 of GENTLE", VP),
    f"{STEP}[one step-fixed_small]": Deviation(
        CANCELS, "3.2e-14 of |x_0| + |x_t| at t = 2 of GENTLE", VP
    ),
    f"{STEP}[any-fixed_small]": Deviation(
        CANCELS, "3.2e-14 of |x_0| + |x_t| at t = 2, s = 1 of GENTLE", VP
    ),
    **{
        f"{DDIM_STEP}[{step}-{eta}]": Deviation(CANCELS, "3.6e-14 of x_1 at t = 2 of GENTLE", VP)
        for step in ("one step", "any")
        for eta in (0.0, 1.0)
    },
    **{
        f"{DDIM_STEP}[{step}-{eta}]": _eta_unsquared(effect)
        for step, eta, effect in (
            ("one step", 0.3, "0.149 of x_1, of 1.4, from t = 2 of STEEP"),
            ("one step", 0.7, "0.023 of x_1, of 1.6, from t = 2 of STEEP"),
            ("any", 0.3, "0.163 of x_1, of 1.3, from t = 4 of STEEP"),
            ("any", 0.7, "0.029 of x_1, of 1.6, from t = 4 of STEEP"),
        )
    },
    **{
        f"{DDIM_CHAIN}[{event}-{eta}]": _eta_unsquared(f"the mean of x_0 is off by {by}")
        for event, eta, by in (
            ("()", 0.3, "9.5e-4"),
            ("(2,)", 0.3, "1.7e-3"),
            ("(2, 2, 2)", 0.3, "1.3e-3"),
            ("()", 0.7, "4.2e-4"),
            ("(2,)", 0.7, "8.2e-4"),
            ("(2, 2, 2)", 0.7, "6.8e-4"),
        )
    },
    EMBEDDING: Deviation(
        "The docstring interleaves sines and cosines of frequencies omega^(-2 i / D). The code has "
        "all sines first, and its frequencies omega^(-2 i / (D - 2)) end at 1 / omega.",
        "entry 1 of 4 at t = 0 is 0, not 1; at width 8 the second frequency is 0.046, not 0.1",
        "azula 0.11.1, nn/layers.py, sine_encoding",
    ),
    f"{BUILT_IN}[1000-cosine]": Deviation(
        PRODUCT, "1.6e-13 of alpha_bar_T at t = T = 1000; 13 times the allowance at t = 999", ADM
    ),
    f"{BUILT_IN}[250-cosine]": Deviation(
        PRODUCT, "2.7e-14 of alpha_bar_T at t = T = 250; 2.6 times the allowance at t = 249", ADM
    ),
    f"{BUILT_IN}[21-cosine]": Deviation(
        PRODUCT, "5.7e-15 of alpha_bar_t at t = 20 of 21; 1.02 times the allowance", ADM
    ),
    REFUSED: Deviation(
        "The linear schedule is built for any T, with variances above 1 for T < 20.",
        "no error: at T = 10 beta_T is 2, and alpha_bar_t is -1.7e-3 at t = 6",
        ADM,
    ),
}
