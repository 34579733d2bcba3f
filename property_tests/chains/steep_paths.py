"""Data, steep schedules and timesteps for which the variational bound is known exactly."""

from hypothesis import strategies as st

from ..oracles import bound
from ..oracles.exact import mpf
from ..protocol import Betas
from ..strategies import STEEP_GRID

# Two elements with different means and variances.
DATA = (bound.Gaussian(mpf(0.75), mpf(0.25)), bound.Gaussian(mpf(-0.5), mpf(2)))

steep = st.sampled_from(STEEP_GRID) | st.lists(
    st.floats(0.0625, 0.875, width=32), min_size=1, max_size=6
).map(tuple)


def decreasing_timesteps(betas: Betas) -> st.SearchStrategy[tuple[Betas, tuple[int, ...]]]:
    some = st.sets(st.integers(1, len(betas)), min_size=1)
    return some.map(lambda each: (betas, (*sorted(each, reverse=True), 0)))


paths = steep.flatmap(decreasing_timesteps)
