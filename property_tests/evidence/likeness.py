"""What a wrong output looks like: another clock, other units, or state left over from a call."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..protocol import Array
from ..protocol.shapes import signature
from .evidence import Evidence
from .parts import HALF, Part, arrays, ours, output_of, parts_of

ENOUGH = 3  # different numbers with one factor, so that it does not fit by chance
TIMES = ("s", "t")  # arguments of a method

UNITS: dict[str, Callable[[Array], Array]] = {
    "a standard deviation instead of a variance": np.sqrt,
    "a variance instead of a standard deviation": np.square,
    "its logarithm": lambda x: np.log(np.where(x > 0, x, np.nan)),
    "numbers in [0, 1] instead of [-1, 1]": lambda x: (x + 1) / 2,
    "numbers in [-1, 1] instead of [0, 1]": lambda x: 2 * x - 1,
    "grey levels 0..255 instead of [-1, 1]": lambda x: 127.5 * (x + 1),
}


def likenesses(seen: Evidence, impl: Any) -> Iterator[str]:
    """Yield a sentence for each of these that explains every wrong element of a last call."""
    for name, (arguments, named, _) in seen.shown.items():
        parts = parts_of(seen, name)
        if any(part.wrong.any() for part in parts):
            again = arrays(output_of(impl, name, arguments, named))
            if not _agree(parts, again):
                yield f"{name}: state left over, since the same call again returns other numbers"
            for shift in (-1, 1):
                moved = _moved(name, arguments, named, shift)
                if moved is not None and _agree(parts, arrays(output_of(ours(), name, *moved))):
                    yield f"{name}: the wrong clock, since it is the output at t {shift:+d}"
            yield from (sentence for part in parts for sentence in _units(part))


def _units(part: Part) -> Iterator[str]:
    """Yield the units in which a wrong part is right."""
    if not part.wrong.any():
        return
    for units, convert in UNITS.items():
        with np.errstate(invalid="ignore"):
            converted = convert(part.exact)
        if not part._replace(exact=converted).wrong.any():
            yield f"{part.name}: the wrong units, since it is {units}"
    used = np.abs(part.exact) > 0
    ratios = part.got[used] / part.exact[used]
    if len(np.unique(part.exact[used])) >= ENOUGH and np.ptp(ratios) <= HALF * abs(ratios[0]):
        yield f"{part.name}: the wrong units, since all numbers are {ratios[0]:.6g} times as large"


def _agree(parts: list[Part], others: list[Array]) -> bool:
    """Return whether another output agrees with all parts."""
    return [part.got.shape for part in parts] == [other.shape for other in others] and not any(
        part._replace(exact=other).wrong.any() for part, other in zip(parts, others, strict=True)
    )


def _moved(
    name: str, arguments: tuple[Any, ...], named: dict[str, Any], shift: int
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Return the arguments of a call at other timesteps, or None if it has none."""
    bound = signature(name).bind(None, *arguments, **named)
    times = [each for each in TIMES if each in bound.arguments]
    for each in times:
        bound.arguments[each] = bound.arguments[each] + shift
    return (bound.args[1:], bound.kwargs) if times else None
