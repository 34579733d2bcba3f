"""Equivalent mutants: module -> statement -> the reason why no property can detect it.

For EQUIVALENTS all outputs are the same bit for bit. Those in AS_RIGHT round differently. Those in
CHOICES replace one valid choice by another.
"""

from collections.abc import Mapping

NOISE_TIMES_0 = (
    "at eta = 0 the noise is drawn and multiplied by 0: no output differs. That it need not be "
    "drawn is tested for our implementation only, in tests/samplers/test_ddim.py"
)
ONE_DTYPE = "the protocol has a single dtype, which both have"
NO_VALUE = (
    "the value is read only where 1 - root >= 1/2, that is at t = T, where it is 0 either way: "
    "before that the root is at least 1 / (2 cos(step)) > 1/2"
)

Reasons = Mapping[str, Mapping[str, str]]

EQUIVALENTS: Reasons = {
    "statistics.statistics": {
        "p = float(np.minimum(2.0, expected / max(equal, expected)))": (
            "the quotient is at most 1, because the denominator is at least the numerator"
        ),
        "return float(np.minimum(2.0, 2 * np.minimum(*tails)))": (
            "the smaller of two tails that sum to 1 is at most 1/2"
        ),
    },
    "_types": {
        "return x.unsqueeze(1).flatten(1)": (
            "an axis of length 1 behind the batch: the event is flattened in one order either way"
        ),
    },
    "clock": {
        f"if isinstance(s, int) and isinstance(t, int) and ({never}):": (
            "a shortcut that is never taken: what follows accepts the same pairs of ints"
        )
        for never in ("t < t", "s < s")
    },
    "samplers.base": {
        "noise = promoted(noise_source(t), x_t) if sampler.draws_noise(s, s) else None": (
            "whether noise is drawn is a question of s alone"
        ),
        **{
            f"yield Snapshot(0, {both})": "every sampler ends at its last prediction of x_0"
            for both in ("x_t, x0_hat", "x0_hat, x_t")
        },
    },
    "training.step": {
        f"return (loss, Loss(terms / {like}.numel()))": (
            "the shape of one sample is that of any other, and of its prediction"
        )
        for like in ("value[0]", "x0_hat[0]", "x_t[0]", "x_0[-1]")
    },
    "latent": {
        "error = x - x_hat": "a difference and its negative have the same square",
    },
    "learned_variance": {
        "if not isinstance(t, int):": "both timesteps of a pair have one type in the protocol",
        "per_dim = terms / flat(x_t).shape[1]": "both have the same shape",
    },
    "probability_flow": {
        "error = ((fine - densities[0]).square().sum(0) / (n * (n - 1))).sqrt()": (
            "a difference and its negative have the same square"
        ),
        "return FlowDensity(fine, error, (fine - coarse).abs() / 3)": (
            "a difference and its negative have the same magnitude"
        ),
        "gradients = (torch.autograd.grad(y, x, each, retain_graph=True)[-1] for each in probes)": (
            "there is a single gradient, so the first is the last"
        ),
    },
    "losses": {
        "work = compute_dtype(target)": ONE_DTYPE,
        "work = compute_dtype(x_t)": ONE_DTYPE,
        "to_data = expand_to((data == s).double(), x_t) > 0": ONE_DTYPE,
        "squares = (target - prediction).square()": "a difference and its negative square alike",
        "return (ratio - 1 - ratio.log() + (right.mean - left.mean).square() / right.var) / 2": (
            "a difference and its negative square alike"
        ),
        "squares = (gaussian.mean - x).square() / gaussian.var": (
            "a difference and its negative square alike"
        ),
        "above_lowest = torch.where(x_0 <= half - 1, lowest, inside)": "no value is at an edge",
        "return torch.where(x_0 >= 1 - half, highest, above_lowest)": "no value is at an edge",
    },
    "guidance": {
        "return (flat.mean(1, keepdim=True) - flat).square().sum(1).sqrt()": (
            "a difference and its negative have the same square"
        ),
    },
    "samplers.ancestral": {
        "work = compute_dtype(x0_hat)": ONE_DTYPE,
        "return (kernel.sample(noise.to(work)).to(x0_hat.dtype), x0_hat, None)": ONE_DTYPE,
        "return (kernel.mean.to(x0_hat.dtype), x0_hat, None)": ONE_DTYPE,
    },
    "samplers.timestep_spacing": {
        "nearest = int((wanted - log_snrs).abs().argmin()) + 1": (
            "a difference and its negative are equally far from 0"
        ),
    },
    "samplers.ddim": {
        "return self.eta >= 0 and s > 0": NOISE_TIMES_0,
        "return self.eta > -1 and s > 0": NOISE_TIMES_0,
        "if self.draws_noise(s, s):": "whether noise is drawn depends on s only",
        "x_s = x_s.addcmul_(expand_to(var.sqrt(), noise), noise.to(work))": (
            "the noise has the shape of x_t, which the preceding line checks"
        ),
    },
    "samplers.dpm_solver": {
        "return torch.tensor(math.inf, dtype=torch.float32, device='cpu')": (
            "infinity is exact in any precision"
        ),
    },
    "schedules": {
        "log_alphas.append(2 * _log_from_either(_sin(left), one_minus_root))": NO_VALUE,
        "log_alphas.append(2 * _log_from_either(_sin(left) * before, one_minus_root))": NO_VALUE,
        "log_ratio = torch.where(one_minus_ratio <= 0.5, (-one_minus_ratio).log1p(), "
        "ratio.log())": ("at one_minus_ratio = 1/2 both are the logarithm of 1/2"),
        "return self.log_alpha_bar.shape[-1] - 1": "the table has one axis only",
        "return math.log1p(-float(beta)) if beta <= Fraction(1, 2) "
        "else math.log(float(1 - beta))": ("at beta = 1/2 both are the logarithm of 1/2"),
        "if one_minus <= 0.5:": "at one_minus = 1/2 both are the logarithm of 1/2",
        "larger, smaller = (total, term) if abs(total) > abs(term) else (term, total)": (
            "either of two equal numbers may be the larger one: a sum of equals is exact"
        ),
    },
}

AS_RIGHT: Reasons = {
    "schedules": {
        "return math.log1p(-float(beta)) if beta < Fraction(1, 3) else math.log(float(1 - beta))": (
            "for beta from 1/3 to 1/2 both forms are accurate to 2 u"
        ),
    },
}

CHOICES: Reasons = {
    "samplers.base": {
        "yield Snapshot(t, x_t, x0_hat.clone() if state is None else x0_hat)": (
            "a copy has the same numbers; that a caller may write in what is yielded is tested in "
            "tests/samplers/test_base.py"
        ),
        "return sampling_loop(sampler, denoiser, noise_source(1), noise_source, cond)": (
            "the step from timestep 1 ends at data and draws no noise, so that its address is free"
        ),
    },
    "guidance": {
        "dropped = torch.rand(labels.shape, dtype=torch.float64, generator=generator, "
        "device=generator.device) <= probability": (
            "a draw is a multiple of 2^-53, and equals the threshold with at most that probability"
        ),
        "dropped = torch.rand(labels.shape, dtype=torch.float32, generator=generator, "
        "device=generator.device) < probability": (
            "draws of 24 bits meet a probability to 2^-24, and 0 and 1 exactly"
        ),
    },
    "statistics.monte_carlo": {
        "return int.from_bytes(self.key[:6], 'little')": "six bytes distinguish claims, too",
        "key = hashlib.blake2b(name.encode(), digest_size=15).digest()": (
            "fifteen bytes distinguish claims, like the sixteen that Philox accepts"
        ),
    },
}
