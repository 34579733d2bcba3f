"""Any sequence of calls gives what fresh calls give: interleaved, interrupted, in other threads.

Hypothesis chooses the sequences. The calls share every object of an implementation that offers
`reused_objects`; one that does not may not allow two calls at a time, and is not tested here.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from .calls import Inputs, inputs
from .calls.call import arrays, reused, same
from .calls.inputs import conditional
from .calls.interruptible import BATCHES, INTERRUPTIBLE, batch_of
from .calls.paused import PausedCall, interrupted
from .protocol import Array, Guidance, Implementation
from .strategies import STEEP

ORACLE = "the same call of fresh objects, bit for bit"

SCHEDULES = (STEEP, (0.1, 0.3, 0.5, 0.8))  # of the same length, ends, sum and product
OF_T = ("stratified_vlb", "draw_samples")  # later betas change them
KEYS = [(schedule, batch) for schedule in range(len(SCHEDULES)) for batch in range(BATCHES)]
CHAINS = 3  # calls at a time
STEPS = 12  # of a sequence
SEQUENCES = 0.2  # of the examples of a property

Key = tuple[int, int]


def given_inputs(key: Key, later: tuple[float, ...] = ()) -> Inputs:
    """Return new arrays."""
    schedule, batch = key
    return batch_of((*SCHEDULES[schedule], *later), batch)


def fresh_answers(impl: Implementation, name: str) -> dict[Key, list[Array]]:
    """Return the answers of fresh objects, before any sequence.

    Each schedule continues to another length, which no cache confuses with the others. Later betas
    change no answer.
    """
    answers = {}
    for key in KEYS:
        later = () if name in OF_T else (0.5,) * (1 + KEYS.index(key))
        answers[key] = copies(INTERRUPTIBLE[name](impl, given_inputs(key, later), key[1]))
    return answers


def copies(found: Any) -> list[Array]:
    return [each.copy() for each in arrays(found)]


class Sequence(RuleBasedStateMachine):
    """A sequence of calls of one method, and what a caller does between them."""

    def __init__(self, impl: Implementation, name: str, fresh: dict[Key, list[Array]]) -> None:
        super().__init__()
        self.impl, self.name, self.fresh = impl, name, fresh
        self.running: list[tuple[Key, Inputs, PausedCall]] = []
        self.answered: list[tuple[Key, Inputs, list[Array]]] = []
        self.reused = impl.reused_objects()
        self.reused.__enter__()

    def teardown(self) -> None:
        for _, _, call in self.running:
            call.abandon()
        self.reused.__exit__(None, None, None)

    def call(self, key: Key) -> tuple[Inputs, Callable[[], Any]]:
        given = given_inputs(key)
        return given, partial(INTERRUPTIBLE[self.name], self.impl, given, key[1])

    def compare(self, key: Key, given: Inputs, output: Any, what: str) -> None:
        found = arrays(output)
        same(found, self.fresh[key], f"{self.name} {what}")
        self.answered.append((key, given, found))

    @rule(key=st.sampled_from(KEYS))
    def call_at_once(self, key: Key) -> None:
        given, call = self.call(key)
        self.compare(key, given, call(), "between other calls")

    @precondition(lambda self: len(self.running) < CHAINS)
    @rule(key=st.sampled_from(KEYS))
    def begin(self, key: Key) -> None:
        """Start a call in a thread, up to its first evaluation."""
        given, call = self.call(key)
        self.running.append((key, given, PausedCall(call)))
        self.advance(-1)

    @rule(which=st.integers(0, CHAINS - 1))
    def advance(self, which: int) -> None:
        """Let a call go on to its next evaluation, if there is one."""
        if not self.running:
            return
        key, given, call = self.running[which := which % len(self.running)]
        call.advance()
        if call.done:
            self.running.pop(which)
            self.compare(key, given, call.output(), "interleaved with other calls")

    @precondition(lambda self: not self.running)
    @rule(first=st.sampled_from(KEYS), second=st.sampled_from(KEYS), lead=st.integers(0, 2))
    def alternate(self, first: Key, second: Key, lead: int) -> None:
        """Let two calls alternate to their ends, the first by so many evaluations ahead."""
        self.begin(first)
        for _ in range(lead):
            self.advance(0)
        self.begin(second)
        while self.running:
            self.advance(-1)
            self.advance(0)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, CHAINS - 1))
    def abandon(self, which: int) -> None:
        """Raise an error from the function that the call evaluates."""
        _, _, call = self.running.pop(which % len(self.running))
        call.abandon()

    @rule(key=st.sampled_from(KEYS), evaluations=st.integers(0, 3))
    def abandon_at_once(self, key: Key, evaluations: int) -> None:
        """Do the same without a thread."""
        interrupted(self.call(key)[1], evaluations)

    @precondition(lambda self: self.answered)
    @rule(which=st.integers(0, 9), what=st.sampled_from(("arguments", "answers")))
    def overwrite(self, which: int, what: str) -> None:
        """Write into the arguments or the answers of an earlier call, which may share memory."""
        _, given, found = self.answered.pop(which % len(self.answered))
        for each in given[1:] if what == "arguments" else found:
            if each.flags.writeable:
                each[...] = 1

    @invariant()
    def earlier_answers_are_unchanged(self) -> None:
        for key, _, found in self.answered:
            same(found, self.fresh[key], f"an earlier answer of {self.name}")


@pytest.mark.complete
@pytest.mark.parametrize("name", INTERRUPTIBLE)
def test_any_sequence_of_calls_gives_what_fresh_calls_give(impl: Implementation, name):
    """Calls are interleaved, abandoned and overwritten, on schedules of equal length and ends."""
    with impl.reused_objects():  # not offered: neither are calls that are interleaved
        pass
    fresh = fresh_answers(impl, name)
    chosen = settings(
        max_examples=max(2, int(settings().max_examples * SEQUENCES)),
        stateful_step_count=STEPS,
    )
    try:
        run_machine(lambda: Sequence(impl, name, fresh), settings=chosen)
    except Flaky as error:
        first = getattr(error, "exceptions", [error])[0]
        raise AssertionError(
            f"{first}\nThe same sequence, repeated, gives other answers"
        ) from error


@pytest.mark.complete
@pytest.mark.parametrize("name", INTERRUPTIBLE)
def test_threads_at_the_same_time_give_what_fresh_calls_give(impl: Implementation, name):
    """One call of each kind at the same time."""
    fresh = fresh_answers(impl, name)
    with impl.reused_objects():
        calls = [
            PausedCall(partial(INTERRUPTIBLE[name], impl, given_inputs(key), key[1]))
            for key in KEYS
        ]
        for each in calls:
            each.release()
        for key, each in zip(KEYS, calls, strict=True):
            same(arrays(each.output()), fresh[key], f"{name} beside other threads")


@pytest.mark.complete
@pytest.mark.parametrize("name", INTERRUPTIBLE)
def test_an_abandoned_call_restores_global_state(impl: Implementation, name):
    """Random generators, and whether gradients are recorded, in the thread of the call."""

    def abandon(evaluations: int) -> tuple[bytes, bytes]:
        before = impl.global_state()
        interrupted(lambda: INTERRUPTIBLE[name](impl, given_inputs(KEYS[0]), 0), evaluations)
        return before, impl.global_state()

    for evaluations in range(3):
        with ThreadPoolExecutor(1) as pool:
            before, after = pool.submit(abandon, evaluations).result()
        assert before == after, f"{name}, abandoned in evaluation {evaluations + 1}, changed it"


CALLS = 2000


@pytest.mark.complete
def test_a_guided_denoiser_gives_the_same_after_thousands_of_calls(impl: Implementation):
    """Two denoisers, with and without labels, at timesteps within the interval and outside it."""
    guidances = [Guidance(conditional, 3.0, 0.5, (2, 3), together) for together in (True, False)]
    rows = inputs().rows([0, 3])
    options = [
        (guidance, t, labels)
        for guidance in guidances
        for t in (1, 2, 3)
        for labels in (rows.labels, None)
    ]
    fresh = [impl.guided(guidance, rows.x, t, labels).copy() for guidance, t, labels in options]
    with reused(impl):
        for i in range(CALLS):
            guidance, t, labels = options[i % len(options)]
            got = impl.guided(guidance, rows.x, t, labels)
            same([got], [fresh[i % len(options)]], f"guided in call {i + 1}")
