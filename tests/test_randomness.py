"""Counter-based randomness: keys do not collide, rows do not depend on their batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core.randomness import INDEX_BITS, STEP_BITS, keyed_generator, keyed_noise, keyed_seed

LOW_32 = 0xFFFFFFFF
keys = st.tuples(
    st.integers(0, 2**STEP_BITS - 1) | st.integers(0, 3),
    st.integers(0, 2**INDEX_BITS - 1) | st.integers(0, 3),
)


@settings(derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**40), chosen=st.lists(keys, min_size=2, max_size=40, unique=True))
def test_keys_of_one_block_differ_in_the_bits_that_torch_reads(seed, chosen):
    lows = {keyed_seed(seed, "training", step, index) & LOW_32 for step, index in chosen}
    assert len(lows) == len(chosen)


def test_every_bit_of_step_and_index_is_used():
    """Random keys seldom collide if the bits of step and index overlap; single bits must."""
    keys_used = [(0, 0), (2**STEP_BITS - 1, 2**INDEX_BITS - 1)]
    keys_used += [(1 << bit, 0) for bit in range(STEP_BITS)]
    keys_used += [(0, 1 << bit) for bit in range(INDEX_BITS)]
    assert len({keyed_seed(7, "sampling", *each) & LOW_32 for each in keys_used}) == len(keys_used)


def test_torch_reads_32_bits_of_a_seed_on_the_cpu():
    """The reason for the blocks. If this fails, torch reads more bits and they are unnecessary."""
    low, high = (torch.Generator().manual_seed(seed) for seed in (5, 5 + 2**32))
    assert torch.equal(torch.randn(4, generator=low), torch.randn(4, generator=high))


@settings(derandomize=True, deadline=None)
@given(
    one=st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", "a/0"]), keys),
    other=st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", "a/0"]), keys),
)
def test_different_keys_give_different_seeds(one, other):
    (seed_1, purpose_1, key_1), (seed_2, purpose_2, key_2) = one, other
    same = keyed_seed(seed_1, purpose_1, *key_1) == keyed_seed(seed_2, purpose_2, *key_2)
    assert same == (one == other)


@pytest.mark.parametrize(
    "key", [(2**STEP_BITS, 0), (0, 2**INDEX_BITS), (2**STEP_BITS, 2**INDEX_BITS)]
)
def test_keys_beyond_a_block_do_not_wrap_around(key):
    """Wrapping around would repeat the seed of (0, 0)."""
    assert keyed_seed(0, "training", *key) != keyed_seed(0, "training", 0, 0)


def test_published_seeds_do_not_change():
    """Changing these numbers changes every published sample and every resumed run."""
    assert keyed_seed(0, "sampling") == 8145938177148962034
    assert keyed_seed(3, "training", 500, 7) == 17959567496531841707


@pytest.mark.parametrize("key", [(-1, 0), (0, -1)])
def test_negative_steps_and_indices_are_refused(key):
    with pytest.raises(ValueError, match=r"step = .*index = .*both must be at least 0"):
        keyed_seed(0, "sampling", *key)


def test_a_row_does_not_depend_on_its_batch():
    together = keyed_noise((3, 5), 0, "sampling", 7, range(8))
    alone = keyed_noise((3, 5), 0, "sampling", 7, [3])
    shuffled = keyed_noise((3, 5), 0, "sampling", 7, [5, 3, 0])
    assert torch.equal(alone[0], together[3])
    assert torch.equal(shuffled, together[[5, 3, 0]])


def test_different_keys_draw_different_noise():
    draws = [
        keyed_noise((16,), seed, purpose, step, [index])
        for seed in (0, 1)
        for purpose in ("sampling", "training")
        for step in (0, 1)
        for index in (0, 1)
    ]
    assert len({tuple(each.flatten().tolist()) for each in draws}) == len(draws)


def test_generator_and_noise_of_one_key_agree():
    generator = keyed_generator(1, "training", 2, 3)
    want = torch.empty(6).normal_(generator=generator)
    assert torch.equal(keyed_noise((6,), 1, "training", 2, [3])[0], want)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_noise_has_the_requested_shape_and_dtype(dtype):
    noise = keyed_noise((2, 3), 0, "sampling", 0, [4, 5], dtype=dtype)
    assert noise.shape == (2, 2, 3)
    assert noise.dtype == dtype


def test_noise_is_standard_normal_over_indices_and_over_the_event():
    """sum / sqrt(n) is N(0, 1), the sum of squares chi-square(n): both within 6 sigma."""
    noise = keyed_noise((100,), 0, "sampling", 1, range(200)).double()
    for sums, squares, n in (
        (noise.sum(), noise.square().sum(), noise.numel()),
        (noise.sum(0).max(), noise.square().sum(0).max(), 200),  # one pixel over all samples
        (noise.sum(1).max(), noise.square().sum(1).max(), 100),  # one sample over all pixels
    ):
        assert abs(sums) <= 6 * n**0.5
        assert abs(squares - n) <= 6 * (2 * n) ** 0.5


def test_the_global_generator_is_unchanged():
    before = torch.get_rng_state()
    keyed_noise((4,), 0, "sampling", 0, range(4))
    torch.rand(3, generator=keyed_generator(0, "training"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("bit", [16, 31, 32, 48, 63])
def test_every_bit_of_the_seed_is_used(bit):
    assert keyed_seed(1, "sampling") != keyed_seed(1 + (1 << bit), "sampling")
