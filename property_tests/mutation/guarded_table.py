"""The guarded mutants of all modules, a sample of them, and their counts by guard and module."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from hashlib import sha256
from typing import NamedTuple

from .guarded import KINDS, Entry, catalogue
from .guarded_equivalents import GUARDED
from .inject import source_of
from .targets import left_out


class Outcome(NamedTuple):
    """What became of one guarded mutant."""

    module: str
    line: int
    kind: str
    statement: str
    killed_by: str | None
    reached: bool  # whether a call differed from one without the mutant; always, for defaults
    listed: bool  # as equivalent

    def __str__(self) -> str:
        how = "" if self.reached else " (never reached)"
        return f"{self.module}, line {self.line}, {self.kind}{how}: {self.statement}"


@cache
def entries_of(name: str) -> tuple[Entry, ...]:
    module, source = source_of(f"ddpm_core.{name}")
    return tuple(catalogue(module, source, left_out(name)))


def sample(names: Iterable[str], count: int) -> dict[str, list[int]]:
    """Return `count` numbers of the catalogues by module, equally many of each kind.

    A hash of the sources selects them.
    """
    sources = {name: source_of(f"ddpm_core.{name}")[1] for name in names}
    text = "".join(sources.values())
    places: dict[str, list[tuple[str, int]]] = {kind: [] for kind in KINDS}
    for name in sources:
        for i, entry in enumerate(entries_of(name)):
            places[entry.kind].append((name, i))
    found: dict[str, list[int]] = {}
    for number in range(count):
        of_kind = places[KINDS[number % len(KINDS)]]
        if of_kind:
            key = int.from_bytes(sha256(f"{number} {text}".encode()).digest(), "big")
            name, i = of_kind.pop(key % len(of_kind))
            found.setdefault(name, []).append(i)
    return {name: sorted(numbers) for name, numbers in found.items()}


def complaints(outcomes: list[Outcome], whole: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each unexpected outcome; `whole`: modules tested completely."""
    for each in outcomes:
        if each.listed == bool(each.killed_by):
            yield f"{'LISTED AS EQUIVALENT, BUT KILLED' if each.listed else 'SURVIVED'}: {each}"
    seen = {(each.module, each.kind, each.statement) for each in outcomes}
    for name in whole:
        for kind, statement in GUARDED.get(name, {}):
            if (name, kind, statement) not in seen:
                yield f"LISTED, BUT NO SUCH MUTANT: {name}, {kind}: {statement}"


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield the lines of a table: killed / all but those listed, by guard and module."""
    yield f"| module | {' | '.join(KINDS)} | all | listed |"
    yield "|---" * (len(KINDS) + 3) + "|"
    modules = sorted({each.module for each in outcomes})
    for module in (*modules, "all"):
        here = [each for each in outcomes if module in (each.module, "all")]
        made = Counter(each.kind for each in here if not each.listed)
        killed = Counter(each.kind for each in here if each.killed_by and not each.listed)
        cells = [f"{killed[kind]}/{made[kind]}" if made[kind] else "" for kind in KINDS]
        listed = len(here) - made.total()
        cells += [f"{killed.total()}/{made.total()}", str(listed)]
        yield f"| {' | '.join([module, *cells])} |"
