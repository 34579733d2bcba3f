"""Mutants that calculate the same: module -> statement -> why no property can tell it apart."""

SAME_LIKE = (
    "expand_to and compute_dtype read only shape, dtype and device of what they are given, and "
    "both tensors were checked to share them"
)

EQUIVALENTS: dict[str, dict[str, str]] = {
    "posterior": {
        "work = compute_dtype(x_t)": SAME_LIKE,
        "mean = expand_to(coef_x0, x_t) * x_0.to(work)": SAME_LIKE,
        "mean = mean.addcmul_(expand_to(coef_xt, x_0), x_t.to(work))": SAME_LIKE,
        "return Gaussian(mean.to(x_t.dtype), expand_to(var, x_t).to(x_0.dtype))": SAME_LIKE,
        "return Gaussian(mean.to(x_0.dtype), expand_to(var, x_0).to(x_0.dtype))": SAME_LIKE,
        "return Gaussian(mean.to(x_0.dtype), expand_to(var, x_t).to(x_t.dtype))": SAME_LIKE,
    },
    "forward_process": {
        "coef_x0 = expand_to((log_alpha_bar / 2).exp(), noise)": SAME_LIKE,
        "coef_noise = expand_to((-log_alpha_bar.expm1()).sqrt(), noise)": SAME_LIKE,
        "work = compute_dtype(noise)": SAME_LIKE,
        "return (coef_x0 * x_0.to(work)).addcmul_(coef_noise, noise.to(work)).to(noise.dtype)": (
            SAME_LIKE
        ),
    },
    "parameterization": {
        "work = compute_dtype(value)": SAME_LIKE,
        "converted = expand_to(coef_value, x_t) * value.to(work)": SAME_LIKE,
        "converted = converted + expand_to(coef_xt, value) * x_t.to(work)": SAME_LIKE,
        "return converted.to(value.dtype)": SAME_LIKE,
    },
    "losses": {
        "work = compute_dtype(noise)": SAME_LIKE,
        "work = compute_dtype(target)": "the protocol has one dtype, and both arguments have it",
        "coef_noise = expand_to(schedule.alpha_bar(t).sqrt(), x_0)": SAME_LIKE,
        "return (expand_to(-1 / sigma, noise) * noise.to(work)).to(noise.dtype)": SAME_LIKE,
        "return (expand_to(-1 / sigma, x_0) * noise.to(work)).to(x_0.dtype)": SAME_LIKE,
        "return (coef_noise * noise.to(work) - expand_to(sigma, x_0) * x_0.to(work))"
        ".to(noise.dtype)": SAME_LIKE,
        "return (coef_noise * noise.to(work) - expand_to(sigma, noise) * x_0.to(work))"
        ".to(x_0.dtype)": SAME_LIKE,
        "squares = (target - prediction).square()": "a difference and its negative square alike",
        "return Loss(squares.unsqueeze(1).flatten(1).mean(1))": (
            "an axis of length 1 is flattened away wherever it stands behind the batch"
        ),
    },
}
