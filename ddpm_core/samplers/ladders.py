"""Time ladders: which levels a sampler visits on its way from T to 0."""


def strided(T: int, steps: int) -> tuple[int, ...]:
    """T = t_N > ... > t_0 = 0 in `steps` near-equal strides, each the rounding of i T / steps.

    Eq. ancestral.ladder. The ladder ends at data and starts at T whatever the stride. Raises
    ValueError unless 1 <= steps <= T.
    """
    if not 1 <= steps <= T:
        raise ValueError(f"steps = {steps} is outside 1..{T}; a ladder visits each level once")
    return tuple((2 * i * T + steps) // (2 * steps) for i in range(steps, -1, -1))
