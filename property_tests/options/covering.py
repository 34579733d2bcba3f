"""Covering arrays: few rows in which every pair of option values occurs together.

An option may have no effect beside some values of others, as the scale of guidance without labels.
So a pair has to occur in a row where both of its options have an effect, wherever that is possible.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

Row = dict[str, Any]
Pair = frozenset[tuple[str, Any]]  # two options with their values
Wanted = tuple[Pair, bool]  # a pair, and whether both of its options have an effect


def everything(row: Row) -> bool:
    return True


def no_option(row: Row) -> Collection[str]:
    return ()


@dataclass(frozen=True)
class Options:
    """Options with their values, which are different.

    `allowed` and `without_effect` are given rows of which options may be missing: whether such a
    row is possible, and which options certainly have no effect in it.
    """

    values: Mapping[str, Sequence[Any]]
    allowed: Callable[[Row], bool] = everything
    without_effect: Callable[[Row], Collection[str]] = no_option


def covering_array(options: Options) -> list[Row]:
    """Return rows that contain every possible pair of values, none of which can be left out.

    Greedy: each row begins with a missing pair and adds the values with the most missing pairs.
    """
    wanted = possible_pairs(options)
    missing = dict.fromkeys(wanted)  # in a fixed order
    rows: list[Row] = []
    while missing:
        row = completed(options, next(iter(missing)), missing)
        assert row is not None  # because the pair is possible
        rows.append(row)
        for each in pairs(options, row):
            missing.pop(each, None)
    times = dict.fromkeys(wanted, 0)
    for row in rows:
        for each in pairs(options, row):
            times[each] += 1
    for row in [*rows]:  # later rows may have made an earlier one superfluous
        if all(times[each] > 1 for each in pairs(options, row)):
            rows.remove(row)
            for each in pairs(options, row):
                times[each] -= 1
    return rows


def uncovered(options: Options, rows: Sequence[Row]) -> list[str]:
    """Return the possible pairs of values that no row contains."""
    found = {pair for row in rows for pair in pairs(options, row)}
    return [
        " and ".join(sorted(f"{name} = {value!r}" for name, value in pair))
        + (", with an effect" if effect else "")
        for pair, effect in possible_pairs(options)
        if (pair, effect) not in found
    ]


def possible_pairs(options: Options) -> list[Wanted]:
    """Return the pairs that some row can contain, those with an effect first."""
    found = []
    for effect in (True, False):
        for first, second in combinations(options.values, 2):
            for a, b in product(options.values[first], options.values[second]):
                wanted = frozenset([(first, a), (second, b)]), effect
                if completed(options, wanted, {}) is not None:
                    found.append(wanted)
    return found


def pairs(options: Options, row: Row) -> list[Wanted]:
    """Return the pairs of a row, twice if both options have an effect."""
    masked = options.without_effect(row)
    found = [(frozenset(each), False) for each in combinations(row.items(), 2)]
    with_effect = [each for each in row.items() if each[0] not in masked]
    return [*((frozenset(each), True) for each in combinations(with_effect, 2)), *found]


def completed(
    options: Options, wanted: Wanted, missing: Mapping[Wanted, None], row: Row | None = None
) -> Row | None:
    """Return a possible row with the pair, preferring values with the most missing pairs."""
    pair, effect = wanted
    row = dict(pair) if row is None else row
    if not options.allowed(row):
        return None
    if effect and any(name in options.without_effect(row) for name, _ in pair):
        return None
    name = next((each for each in options.values if each not in row), None)
    if name is None:
        return {each: row[each] for each in options.values}

    def gain(value: Any) -> int:
        with_it = {**row, name: value}
        masked = options.without_effect(with_it)
        names = [each for each in with_it if each not in masked]
        both = ((frozenset([(name, value), each]), each[0]) for each in row.items())
        return sum(
            ((new, False) in missing) + ((new, True) in missing and {name, other} <= {*names})
            for new, other in both
        )

    values = options.values[name]
    for value in sorted(values, key=gain, reverse=True) if missing else values:
        found = completed(options, wanted, missing, {**row, name: value})
        if found is not None:
            return found
    return None
