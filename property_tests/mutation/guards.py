"""Guards: conditions of a call under which alone a guarded mutant differs from the source.

The functions here run inside the mutated module, under the names in `NAMES`.
"""

import dataclasses
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from hypothesis import currently_in_test_context
from hypothesis.control import current_build_context
from torch import Tensor


class Call(NamedTuple):
    """The arguments of a call that guards read."""

    samples: tuple[Any, ...]  # tensors of floats, or containers of them
    batches: tuple[Any, ...]  # those whose first axis is the batch, and timesteps
    times: tuple[Any, ...]  # the timesteps t
    lengths: tuple[Any, ...]  # what has T timesteps
    labels: tuple[Any, ...]  # labels, or None


def _dtype(dtype: torch.dtype) -> Callable[[Call], bool]:
    return lambda call: any(each.dtype == dtype for each in _tensors(call.samples))


def _batch(call: Call) -> int:
    """Return the batch size, or -1 if no argument has one; variances may have a shorter axis."""
    return max((len(each) for each in _tensors(call.batches) if each.ndim), default=-1)


def _is_last(call: Call) -> bool:
    last = _T(call)
    times = [torch.as_tensor(t) for t in call.times if t is not None]
    return any(not t.is_meta and bool((t == last).any()) for t in times)


Met = Mapping[Hashable, Collection[str]]  # function -> guards that its calls meet
CALLED, SECOND_CALL = "called", "second call"
CONDITIONS: dict[str, Callable[[Call], bool]] = {
    "float16": _dtype(torch.float16),
    "bfloat16": _dtype(torch.bfloat16),
    "float32": _dtype(torch.float32),
    "requires_grad": lambda call: any(each.requires_grad for each in _tensors(call.samples)),
    "one sample": lambda call: _batch(call) == 1,
    "more than 64 samples": lambda call: _batch(call) > 64,
    "T > 1000": lambda call: _T(call) > 1000,
    "t == T": _is_last,
    "labels": lambda call: any(each is not None for each in call.labels),
    SECOND_CALL: lambda call: _calls() > 1,
}


class _State:
    """The calls of the injected mutant, and the outputs that it caches."""

    calls = 0  # since the test or its example began
    example: Any = None
    reached = False  # whether the guard held in any call
    answers: dict[Hashable, Any]
    met: dict[Hashable, set[str]]


_STATE = _State()


def begin() -> None:
    """Reset the state for a newly injected mutant."""
    _STATE.reached, _STATE.answers = False, {}
    begin_test()


def begin_test() -> None:
    """Reset the count of calls for the next test."""
    _STATE.calls, _STATE.example = 0, None


def reached() -> bool:
    """Return whether the mutant has differed from the source in any call."""
    return _STATE.reached


def holds(guard: str, *arguments: tuple[Any, ...]) -> bool:
    """Return whether the guard holds for a call with these arguments."""
    found = CONDITIONS[guard](Call(*arguments))
    _STATE.reached |= found
    return found


def record() -> None:
    """Forget which guards have been met."""
    _STATE.met = {}


def met(function: Hashable, *arguments: tuple[Any, ...]) -> None:
    """Record which guards a call of the function meets."""
    call = Call(*arguments)
    found = _STATE.met.setdefault(function, set())
    found.add(SECOND_CALL if CALLED in found else CALLED)
    found.update(
        guard
        for guard, condition in CONDITIONS.items()
        if guard not in found and guard != SECOND_CALL and condition(call)
    )


def recorded() -> Met:
    """Return the guards met since `record`."""
    return _STATE.met


def detached(value: Any) -> Any:
    """Return the tensor without its gradient, or the container of tensors without theirs."""
    _STATE.reached |= any(each.requires_grad for each in _tensors(value))
    return _each_tensor(value, Tensor.detach)


def recalled(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the answer of the first call whose arguments differ in the values of tensors only."""
    key = tuple(_weak_key(each) for each in arguments)
    if key in _STATE.answers:
        _STATE.reached = True
    else:
        _STATE.answers[key] = function(*arguments)
    return _STATE.answers[key]


NAMES = {"__guard__": holds, "__detached__": detached, "__recalled__": recalled}


def _T(call: Call) -> int:
    """Return the number of noisy timesteps, or -1 if no argument has one."""
    for each in call.lengths:
        while hasattr(each, "schedule"):
            each = each.schedule
        if hasattr(each, "log_alpha_bar"):  # not .T, which may be the mutated function
            return len(each.log_alpha_bar) - 1
        if isinstance(each, int):
            return each
        each = getattr(each, "drawn", each)  # of a TimestepSampler
        if hasattr(each, "__len__"):
            return len(each)
    return -1


def _calls() -> int:
    """Count a call, from 1 in each test, and in each example of Hypothesis."""
    example = current_build_context() if currently_in_test_context() else None
    if example is not _STATE.example:
        _STATE.calls, _STATE.example = 0, example
    _STATE.calls += 1
    return _STATE.calls


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _tensors(each)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _tensors(getattr(value, field.name))


def _each_tensor(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(_each_tensor(each, change) for each in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _each_tensor(getattr(value, field.name), change)
            for field in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **fields)
    return value


def _weak_key(value: Any) -> Hashable:
    """Return types, shapes and numbers, but neither values of tensors nor which function it is."""
    if isinstance(value, Tensor):
        return tuple(value.shape), value.dtype
    if isinstance(value, tuple | list) and any(isinstance(each, float) for each in value):
        return type(value), len(value)  # betas
    if isinstance(value, tuple | list):
        return type(value), tuple(_weak_key(each) for each in value)
    if dataclasses.is_dataclass(value):
        fields = (getattr(value, field.name) for field in dataclasses.fields(value))
        return type(value), tuple(_weak_key(each) for each in fields)
    return value if isinstance(value, int | float | str | None) else type(value)
