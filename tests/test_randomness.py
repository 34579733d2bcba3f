"""Keyed randomness: addresses do not collide, rows do not depend on their batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core.randomness import INDEX_BITS, STEP_BITS, keyed_generator, keyed_noise, keyed_seed

LOW_32 = 0xFFFFFFFF
addresses = st.tuples(
    st.integers(0, 2**STEP_BITS - 1) | st.integers(0, 3),
    st.integers(0, 2**INDEX_BITS - 1) | st.integers(0, 3),
)


@settings(derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**40), places=st.lists(addresses, min_size=2, max_size=40, unique=True))
def test_within_a_block_no_two_addresses_share_the_bits_that_torch_reads(seed, places):
    lows = {keyed_seed(seed, "training", step, index) & LOW_32 for step, index in places}
    assert len(lows) == len(places)


def test_every_bit_of_step_and_index_has_a_place_of_its_own():
    """Random addresses seldom meet where the bits of step and index overlap; single bits must."""
    places = [(0, 0), (2**STEP_BITS - 1, 2**INDEX_BITS - 1)]
    places += [(1 << bit, 0) for bit in range(STEP_BITS)]
    places += [(0, 1 << bit) for bit in range(INDEX_BITS)]
    assert len({keyed_seed(7, "sampling", *each) & LOW_32 for each in places}) == len(places)


def test_torch_reads_32_bits_of_a_seed_on_the_cpu():
    """The reason for the blocks. Where this fails, they have become unnecessary."""
    low, high = (torch.Generator().manual_seed(seed) for seed in (5, 5 + 2**32))
    assert torch.equal(torch.randn(4, generator=low), torch.randn(4, generator=high))


@settings(derandomize=True, deadline=None)
@given(
    one=st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", "a/0"]), addresses),
    other=st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", "a/0"]), addresses),
)
def test_seed_purpose_step_and_index_all_tell_draws_apart(one, other):
    (seed_1, purpose_1, place_1), (seed_2, purpose_2, place_2) = one, other
    same = keyed_seed(seed_1, purpose_1, *place_1) == keyed_seed(seed_2, purpose_2, *place_2)
    assert same == (one == other)


@pytest.mark.parametrize(
    "place", [(2**STEP_BITS, 0), (0, 2**INDEX_BITS), (2**STEP_BITS, 2**INDEX_BITS)]
)
def test_beyond_a_block_the_address_is_hashed_anew(place):
    """A block that wrapped around would repeat the seed of (0, 0)."""
    assert keyed_seed(0, "training", *place) != keyed_seed(0, "training", 0, 0)


def test_the_addresses_of_published_pictures_do_not_move():
    """A change of these numbers changes every sample sheet and every resumed run."""
    assert keyed_seed(0, "sampling") == 8145938177148962034
    assert keyed_seed(3, "training", 500, 7) == 17959567496531841707


@pytest.mark.parametrize("place", [(-1, 0), (0, -1)])
def test_negative_addresses_are_refused(place):
    with pytest.raises(ValueError, match=r"step = .*index = .*both count from 0"):
        keyed_seed(0, "sampling", *place)


def test_a_row_is_the_same_in_whatever_batch_it_is_drawn():
    together = keyed_noise((3, 5), 0, "sampling", 7, range(8))
    alone = keyed_noise((3, 5), 0, "sampling", 7, [3])
    shuffled = keyed_noise((3, 5), 0, "sampling", 7, [5, 3, 0])
    assert torch.equal(alone[0], together[3])
    assert torch.equal(shuffled, together[[5, 3, 0]])


def test_steps_purposes_and_seeds_draw_other_noise():
    draws = [
        keyed_noise((16,), seed, purpose, step, [index])
        for seed in (0, 1)
        for purpose in ("sampling", "training")
        for step in (0, 1)
        for index in (0, 1)
    ]
    assert len({tuple(each.flatten().tolist()) for each in draws}) == len(draws)


def test_a_generator_and_the_noise_of_one_address_agree():
    generator = keyed_generator(1, "training", 2, 3)
    want = torch.empty(6).normal_(generator=generator)
    assert torch.equal(keyed_noise((6,), 1, "training", 2, [3])[0], want)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_noise_has_the_shape_and_dtype_that_were_asked_for(dtype):
    noise = keyed_noise((2, 3), 0, "sampling", 0, [4, 5], dtype=dtype)
    assert noise.shape == (2, 2, 3)
    assert noise.dtype == dtype


def test_noise_is_standard_normal_over_indices_and_over_the_event():
    """sum / sqrt(n) is N(0, 1), the sum of squares chi-square(n): both within 6 deviations."""
    noise = keyed_noise((100,), 0, "sampling", 1, range(200)).double()
    for sums, squares, n in (
        (noise.sum(), noise.square().sum(), noise.numel()),
        (noise.sum(0).max(), noise.square().sum(0).max(), 200),  # one pixel over all samples
        (noise.sum(1).max(), noise.square().sum(1).max(), 100),  # one sample over all pixels
    ):
        assert abs(sums) <= 6 * n**0.5
        assert abs(squares - n) <= 6 * (2 * n) ** 0.5


def test_the_global_generator_is_never_touched():
    before = torch.get_rng_state()
    keyed_noise((4,), 0, "sampling", 0, range(4))
    torch.rand(3, generator=keyed_generator(0, "training"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("bit", [16, 31, 32, 48, 63])
def test_every_bit_of_a_seed_counts(bit):
    assert keyed_seed(1, "sampling") != keyed_seed(1 + (1 << bit), "sampling")
