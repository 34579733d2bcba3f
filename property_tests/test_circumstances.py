"""Every method returns the same numbers in any batch, thread and memory layout, and repeatedly."""

import inspect
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from .calls import CALLS, Inputs, inputs
from .calls.call import reused, same
from .calls.inputs import PAIRS
from .protocol import Array, Implementation
from .protocol.contract import NOT_OFFERED
from .strategies import STEEP

ORACLE = "the same call in other circumstances, bit for bit"

NOT_CALLS = {"reused_objects", "accepts_int_timesteps", "defaults"}  # about the implementation
NOT_CALLS |= {"in_precision", "differentiate", "gives_plain_numbers"}
BY_ROWS = [name for name, call in CALLS.items() if call.rows]
OF_SCHEDULE = [
    name for name, call in CALLS.items() if call.rows and not call.later_betas and name != "ema"
]
# A later beta changes no answer at an earlier timestep, T = 4 included.
LONGER = ((*STEEP, 0.5), (*STEEP, *[0.001] * 3996))
EVENTS = ((24,), (1, 24), (24, 1, 1), (2, 1, 3, 1, 4), (1, 1, 2, 3, 4))
SQUARES = ((6, (6, 4)), (4, (4, 6)), (24, (24,)), (2, (2, 3, 2, 2)))  # batch == channels
BY_ELEMENTS = [name for name, call in CALLS.items() if call.ranks == "elements"]
BY_SAMPLES = [name for name, call in CALLS.items() if call.ranks == "samples"]
BY_EVENTS = [name for name, call in CALLS.items() if call.ranks == "events"]
ONE_TIMESTEP = (
    *("log_snr", "q_marginal", "q_step", "q_sample", "q_posterior", "convert", "target"),
    *("constant_weight", "loss_weight", "look_up", "reverse_kernel", "learned_kernel"),
)
# A conversion to itself and the target of eps are arguments.
RETURN_ARGUMENTS = ("convert", "target")
# Of STEEP's length, first and last beta, sum and product, as a weak cache key would have it.
TWIN = (STEEP[0], STEEP[2], STEEP[1], STEEP[3])
UNEQUAL = (0.15, 0.45, 0.25, 0.7), (0.15, 0.25, 0.45, 0.7)  # schedules of no other test
OF_BETAS = [name for name, call in CALLS.items() if call.later_betas and not call.rows]


def test_every_method_has_a_call():
    """The table of calls lists every method, because the tests here iterate over it."""
    methods = {
        name
        for name, each in inspect.getmembers(Implementation, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - NOT_CALLS == CALLS.keys(), methods - NOT_CALLS ^ CALLS.keys()


def copies(outputs: list[Array]) -> list[Array]:
    return [np.array(each) for each in outputs]


def arrays_in(value: Any) -> Iterator[Array]:
    """Yield every array among the inputs."""
    yield from (each for each in value if isinstance(each, np.ndarray))


BATCHES = (
    *([0], [2], [3]),  # one row: s = 0, t = T, and neither
    [4, 1],
    *([(i * i) % 6 for i in range(size)] for size in (3, 5, 7)),
    [(5 - i) % 6 for i in range(65)],
    [*((5 - i) % 6 for i in range(64)), 3],  # the same but for its last row
    [i % 6 for i in range(129)],
)


@pytest.mark.complete
@pytest.mark.parametrize("method", BY_ROWS)
def test_rows_are_the_same_in_any_batch(impl: Implementation, method):
    """f(batch)[i] == f(batch[chosen])[j] for chosen[j] = i, bit for bit: 1 to 129 rows.

    Two of the batches have the same first 64 rows, as a weak cache key would have it.
    """
    with reused(impl):
        whole = copies(CALLS[method](impl, inputs()))
        for chosen in BATCHES:
            got = CALLS[method](impl, inputs().rows(chosen))
            same(got, [each[chosen] for each in whole], f"{method} of {len(chosen)} rows")


@pytest.mark.complete
@pytest.mark.parametrize("method", BY_ROWS)
def test_empty_batch_has_an_empty_answer_or_is_refused(impl: Implementation, method):
    """An empty batch has an empty output, or raises an error."""
    c = inputs()
    whole = CALLS[method](impl, c)
    with suppress(ValueError, IndexError, RuntimeError, TypeError):
        got = CALLS[method](impl, c.rows([]))
        same(got, [each[[]] for each in whole], f"{method} of no rows")


@pytest.mark.complete
@pytest.mark.parametrize("method", CALLS)
def test_no_method_modifies_its_arguments(impl: Implementation, method):
    """No method writes into the arrays that it is given, in any of its options."""
    c = inputs()
    before = copies([*arrays_in(c)])
    CALLS[method](impl, c)
    for name, now, then in zip(Inputs._fields[1:], arrays_in(c), before, strict=True):
        assert np.array_equal(now, then), f"{method} modified {name}"


@pytest.mark.complete
@pytest.mark.parametrize("method", CALLS)
def test_later_calls_and_callers_change_nothing(impl: Implementation, method):
    """Repeated calls return the same bits, also after outputs or arguments were overwritten.

    An output may be an argument itself, so it is compared before that argument is overwritten.
    """
    call, c = CALLS[method], inputs()
    with reused(impl):
        first = call(impl, c)
        want = copies(first)
        other = call(impl, inputs().rows(slice(None, None, -1)))
        same(first, want, f"{method}: an answer after another call")
        if call.rows:
            same(other, [each[::-1] for each in want], f"{method}: another call of equal shape")
        other_want = copies(other)
        second = call(impl, inputs())
        same(second, want, f"{method}: the second call")
        for each in second:
            if each.flags.writeable:
                each[...] = 77
        same(first, want, f"{method}: an answer after another one was overwritten")
        same(other, other_want, f"{method}: another answer after one was overwritten")
        for each in arrays_in(c):
            each[...] = 1
        same(call(impl, inputs()), want, f"{method} after its arguments were overwritten")


@pytest.mark.complete
@pytest.mark.parametrize("method", CALLS)
def test_another_thread_gives_the_same(impl: Implementation, method):
    """No output depends on the state of a thread, such as whether gradients are recorded."""
    want = CALLS[method](impl, inputs())
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(CALLS[method], impl, inputs()).result()
    same(got, want, f"{method} in a thread")


@pytest.mark.complete
@pytest.mark.parametrize("method", OF_SCHEDULE)
def test_later_betas_change_no_earlier_timestep(impl: Implementation, method):
    """The answers at t <= 4 are those of a schedule that ends there, whatever T is."""
    want = CALLS[method](impl, inputs())
    for longer in LONGER:
        with reused(impl):
            got = CALLS[method](impl, inputs(betas=longer))
            same(got, want, f"{method} with T = {len(longer)}")


@pytest.mark.complete
@pytest.mark.parametrize("method", BY_ELEMENTS)
def test_elements_are_the_same_in_events_of_any_rank(impl: Implementation, method):
    """Scalars to five axes, single channels: each element depends on its own row's alone.

    Some batches have as many samples as channels.
    """
    call = CALLS[method]
    with reused(impl):
        whole = copies(call(impl, inputs()))
        for event in EVENTS:
            got = call(impl, inputs().shaped(event))
            want = [each.reshape(len(each), *event) for each in whole]
            same(got, want, f"{method} of events {event}")
        for count, event in SQUARES:
            rows = [i % 6 for i in range(count)]
            got = call(impl, inputs().rows(rows).shaped(event))
            want = [each[rows].reshape(count, *event) for each in whole]
            same(got, want, f"{method} of {count} events {event}")
        scalars = inputs().rows(np.repeat(np.arange(6), 24)).first_of_each(24)
        same(call(impl, scalars), [each.ravel() for each in whole], f"{method} of scalars")


@pytest.mark.complete
@pytest.mark.parametrize("method", BY_SAMPLES)
def test_sums_over_an_event_do_not_depend_on_its_rank(impl: Implementation, method):
    """The same numbers in one to five axes give the same sum."""
    with reused(impl):
        whole = copies(CALLS[method](impl, inputs()))
        for event in EVENTS:
            got = CALLS[method](impl, inputs().shaped(event))
            same(got, whole, f"{method} of events {event}")
        scalars = inputs().rows(np.repeat(np.arange(6), 24)).first_of_each(24)
        want = copies(CALLS[method](impl, scalars.shaped((1,))))
        same(CALLS[method](impl, scalars), want, f"{method} of scalars")


@pytest.mark.complete
@pytest.mark.parametrize("method", BY_EVENTS)
def test_answers_do_not_depend_on_the_shape_of_an_event(impl: Implementation, method):
    """The same numbers in one to five axes give the same numbers: no axis is special."""

    with reused(impl):
        want = [each.reshape(len(each), -1) for each in CALLS[method](impl, inputs())]
        for event in EVENTS:
            found = CALLS[method](impl, inputs().shaped(event))
            got = [each.reshape(len(each), -1) for each in found]
            same(got, want, f"{method} of events {event}")


@pytest.mark.complete
@pytest.mark.parametrize("method", [*BY_ELEMENTS, *BY_SAMPLES])
def test_memory_layout_does_not_matter(impl: Implementation, method):
    """Arrays in Fortran's order hold the same numbers as arrays in C's."""
    want = CALLS[method](impl, inputs())
    columns = inputs()
    columns = Inputs(columns.betas, *(np.asfortranarray(each) for each in columns[1:]))
    same(CALLS[method](impl, columns), want, f"{method} in Fortran's order")


@pytest.mark.complete
@pytest.mark.parametrize("method", ONE_TIMESTEP)
def test_one_timestep_is_that_of_every_row(impl: Implementation, method):
    """An int stands for an array of it."""
    if not impl.accepts_int_timesteps():
        pytest.skip(f"{NOT_OFFERED}timesteps as int")
    c = inputs()
    for s, t in PAIRS:
        want = CALLS[method](impl, c._replace(s=np.full(6, s), t=np.full(6, t)))
        got = CALLS[method](impl, c._replace(s=s, t=t))
        got = [np.broadcast_to(g, w.shape) for g, w in zip(got, want, strict=True)]
        same(got, want, f"{method} at s = {s}, t = {t}")


@pytest.mark.complete
@pytest.mark.parametrize("method", [each for each in ONE_TIMESTEP if each not in RETURN_ARGUMENTS])
def test_answers_share_no_memory_with_arguments(impl: Implementation, method):
    """A caller may write into an answer, at t = 0 as well, where x_t is x_0."""
    integers = impl.accepts_int_timesteps()
    for s, t in PAIRS:
        for c in (inputs(), inputs()._replace(s=s, t=t))[: 1 + integers]:
            for i, output in enumerate(CALLS[method](impl, c)):
                for name, each in zip(Inputs._fields[1:], c[1:], strict=True):
                    shares = isinstance(each, np.ndarray) and np.shares_memory(output, each)
                    assert not shares, f"output {i} of {method} is {name}"


@pytest.mark.complete
@pytest.mark.parametrize("method", BY_ROWS)
def test_timesteps_of_another_integer_type_are_the_same_or_refused(impl: Implementation, method):
    """A uint8 index is a mask to some libraries, and a narrow product wraps."""
    want = CALLS[method](impl, inputs())
    for dtype in (np.uint8, np.int16, np.int32):
        c = inputs()
        with suppress(TypeError, ValueError, IndexError, RuntimeError):
            got = CALLS[method](impl, c._replace(s=c.s.astype(dtype), t=c.t.astype(dtype)))
            same(got, want, f"{method} at timesteps of {np.dtype(dtype)}")


@pytest.mark.complete
@pytest.mark.parametrize("method", OF_SCHEDULE)
def test_schedules_of_equal_length_and_ends_are_distinguished(impl: Implementation, method):
    """A call between them with another schedule changes no output.

    It has the same T, first and last beta, sum and product.
    """
    call = CALLS[method]
    with reused(impl):
        first = copies(call(impl, inputs()))
        got = copies(call(impl, inputs(betas=TWIN)))
        same(call(impl, inputs()), first, f"{method} after a call with another schedule")
    longer = call(impl, inputs(betas=(*TWIN, 0.25, 0.375)))  # a key that no other call has
    same(got, longer, f"{method} with a schedule like the one before")


@pytest.mark.complete
@pytest.mark.parametrize("method", OF_BETAS)
def test_schedules_of_equal_ends_have_answers_of_their_own(impl: Implementation, method):
    """A method whose answers need every beta does not return those of another schedule.

    Both have the same T, first and last beta, sum and product.
    """
    if method == "timestep_spacing":  # the other spacings need T alone
        impl.timestep_spacing("log_snr", UNEQUAL[0], 3)
    with reused(impl):
        first, second = (copies(CALLS[method](impl, inputs(betas=each))) for each in UNEQUAL)
    differ = any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert differ, f"{method} has the same answers for {UNEQUAL}"


@pytest.mark.complete
@pytest.mark.parametrize("method", CALLS)
def test_samples_of_other_precisions_change_no_later_answer(impl: Implementation, method):
    """A cast is not written back into a table: calls in float32 and bfloat16 leave no trace."""
    with reused(impl):
        want = copies(CALLS[method](impl, inputs()))
        for name in ("float32", "bfloat16"):
            with suppress(ValueError, TypeError, RuntimeError, AssertionError):
                CALLS[method](impl.in_precision(name), inputs())
        same(CALLS[method](impl, inputs()), want, f"{method} after calls in other precisions")
