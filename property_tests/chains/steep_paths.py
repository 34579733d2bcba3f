"""Data, steep schedules and falling times on which the variational bound is known exactly."""

from hypothesis import strategies as st

from ..oracles import bound
from ..oracles.exact import mpf
from ..protocol import Betas
from ..strategies import STEEP_GRID

# Two numbers of different means and variances.
DATA = (bound.Gaussian(mpf(0.75), mpf(0.25)), bound.Gaussian(mpf(-0.5), mpf(2)))

steep = st.sampled_from(STEEP_GRID) | st.lists(
    st.floats(0.0625, 0.875, width=32), min_size=1, max_size=6
).map(tuple)


def ladders(betas: Betas) -> st.SearchStrategy[tuple[Betas, tuple[int, ...]]]:
    levels = st.sets(st.integers(1, len(betas)), min_size=1)
    return levels.map(lambda some: (betas, (*sorted(some, reverse=True), 0)))


paths = steep.flatmap(ladders)
