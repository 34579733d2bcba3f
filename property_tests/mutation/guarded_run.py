"""Test guarded mutants against the exact properties."""

import sys
import warnings
from collections.abc import Iterable

from ..catalogue import Property, properties
from . import guards
from .guarded import Entry, base, injection
from .guarded_equivalents import GUARDED
from .guarded_table import Outcome, entries_of
from .inject import injected, source_of
from .kill import failure, killed_by_more_examples, killer
from .operators import Site
from .run import IMPL, listed_as
from .targets import PROPERTIES, properties_under

UNREACHED_ROUNDS = 1  # of other examples, when no call met the guard
REACHED_ROUNDS = 5


class Tested:
    """A module under test: its tests, and of each statement the mutation that gets the guards."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module, self.source = source_of(f"ddpm_core.{name}")
        self.bases: dict[int, Site | None] = {}
        self.tests: dict[str, list[Property]] = {}

    def base_of(self, entry: Entry) -> Site | None:
        """Return the first mutation of the statement that fails an assertion of a property.

        If there is none, return the first that raises another error, and None if all survive.
        """
        if entry.place not in self.bases:
            others: list[Site] = []
            for site in entry.sites:
                error = self._error_of(site)
                if isinstance(error, AssertionError):
                    others = [site]
                    break
                others += [site] if error else []
            self.bases[entry.place] = next(iter(others), None)
        return self.bases[entry.place]

    def _error_of(self, site: Site) -> BaseException | None:
        statement, tree = base(self.source, site)
        if statement in listed_as(self.name):
            return None
        with injected(self.module, tree):
            found = failure(self.tests_under(""))
        return found[1] if found else None

    def tests_under(self, kind: str) -> list[Property]:
        """Return the tests of the module, and those that meet this guard anywhere."""
        if kind not in self.tests:
            files = dict.fromkeys([*PROPERTIES[self.name], *properties_under(kind)])
            self.tests[kind] = list(properties(list(files), impl=IMPL))
        return self.tests[kind]

    def outcome(self, entry: Entry) -> Outcome | None:
        """Test a mutant; None if no mutation of its statement is killed even without a guard."""
        site = self.base_of(entry) if entry.sites else None
        if entry.sites and site is None:
            return None
        statement, context = injection(self.module, self.source, entry, site)
        tests = self.tests_under(entry.kind)
        listed = (entry.kind, statement) in GUARDED.get(self.name, {})
        guards.begin()
        with context:
            killed_by = killer(tests)
            reached = guards.reached() or entry.default is not None
            rounds = REACHED_ROUNDS if reached else UNREACHED_ROUNDS
            if killed_by is None and not listed and killed_by_more_examples(tests, rounds):
                killed_by = "other examples"
            reached |= guards.reached()
        return Outcome(self.name, entry.line, entry.kind, statement, killed_by, reached, listed)


def run_guarded(name: str, chosen: Iterable[int] | None = None) -> list[Outcome]:
    """Test the guarded mutants of a module; `chosen`: their numbers in its catalogue."""
    warnings.simplefilter("ignore")
    tested = Tested(name)
    entries = entries_of(name)
    outcomes = []
    for i in range(len(entries)) if chosen is None else chosen:
        outcome = tested.outcome(entries[i])
        if outcome is not None:
            outcomes.append(outcome)
            result = outcome.killed_by or "survived"
            print(f"{name}, line {outcome.line}, {outcome.kind}: {result}", file=sys.stderr)
    return outcomes
