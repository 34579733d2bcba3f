"""Test guarded mutants against the exact properties."""

import ast
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from ..catalogue import Property
from . import guards
from .guarded import Entry, base, injection
from .guarded_equivalents import GUARDED
from .guarded_table import Outcome, entries_of
from .inject import injected, source_of
from .kill import failure, killed_by_more_examples
from .operators import Site
from .reach import REACHED, reach
from .run import listed_as
from .targets import PROPERTIES, properties_under
from .unreachable import NEVER_MET

ROUNDS = 5  # of other examples, before a mutant counts as a survivor


class Tested:
    """A module under test: its tests, and of each statement the mutation that gets the guards."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module, self.source = source_of(f"ddpm_core.{name}")
        self.bases: dict[int, Site | None] = {}
        self.latest: list[Property] = []  # those that killed a mutant, the latest first

    def base_of(self, entry: Entry) -> Site | None:
        """Return the first mutation of the statement that fails an assertion of a property.

        If there is none, return the first that raises another error, and None if all survive.
        """
        if entry.place not in self.bases:
            others: list[Site] = []
            for site in entry.sites:
                error = self._error_of(site, entry)
                if isinstance(error, AssertionError):
                    others = [site]
                    break
                others += [site] if error else []
            self.bases[entry.place] = next(iter(others), None)
        return self.bases[entry.place]

    def _error_of(self, site: Site, entry: Entry) -> BaseException | None:
        statement, tree = base(self.source, site)
        if statement in listed_as(self.name):
            return None
        files = PROPERTIES[self.name]
        mutant = partial(injected, self.module, tree)
        found = self._failure(mutant, files, entry.function, guards.CALLED)
        return found[1] if found else None

    def _failure(
        self,
        mutant: Callable[[], AbstractContextManager[None]],
        files: Iterable[str],
        function: int,
        guard: str,
    ) -> tuple[str, BaseException] | None:
        """Return the first property that fails, and its error.

        Files come first whose reach is known: finding it takes as long as running the file.
        """
        known = [file for file in files if file in REACHED]
        for group in (known, *([file] for file in files if file not in known)):
            tests = self.tests(group, function, guard)
            with mutant():
                found = failure(tests)
            if found:
                self.latest = [tests[0], *(each for each in self.latest if each != tests[0])]
                return found
        return None

    def tests(self, files: Iterable[str], function: int, guard: str) -> list[Property]:
        """Return the properties that meet the guard, if any, in the order to try them.

        The latest that killed a mutant come first, then the fastest.
        """
        found = {
            each.tested: each.seconds
            for file in files
            for each in reach(file)
            if not guard or guard in each.met.get((self.name, function), ())
        }
        latest = [each for each in self.latest if each in found]
        others = [each for each in found if each not in latest]
        return [*latest, *sorted(others, key=found.__getitem__)]

    def outcome(self, entry: Entry) -> Outcome | None:
        """Test a mutant; None if no mutation of its statement is killed even without a guard."""
        site = self.base_of(entry) if entry.sites else None
        if entry.sites and site is None:
            return None
        statement = injection(self.module, self.source, entry, site).statement
        listed = (entry.kind, statement) in GUARDED.get(self.name, {})

        def mutant() -> AbstractContextManager[None]:
            return injection(self.module, self.source, entry, site).context

        files = dict.fromkeys([*PROPERTIES[self.name], *properties_under(entry.kind)])
        found = self._failure(mutant, files, entry.function, entry.needed)
        killed_by, reached = (found[0], True) if found else (None, False)
        if found is None:
            tests = self.tests(files, entry.function, entry.needed)
            reached = bool(tests)
            with mutant():
                if not listed and killed_by_more_examples(tests, ROUNDS):
                    killed_by = "other examples"
        return Outcome(self.name, entry.line, entry.kind, statement, killed_by, reached, listed)


def met_after_all(name: str) -> Iterator[str]:
    """Yield a sentence for each guard that a property meets, although no call should."""
    _, source = source_of(f"ddpm_core.{name}")
    lines = {
        each.name: each.lineno
        for each in ast.walk(ast.parse(source))
        if isinstance(each, ast.FunctionDef)
    }
    for function, (unmet, _) in NEVER_MET.get(name, {}).items():
        for guard in unmet:
            for file in dict.fromkeys([*PROPERTIES[name], *properties_under(guard)]):
                for each in reach(file):
                    if guard in each.met.get((name, lines[function]), ()):
                        by = each.tested[0]
                        yield f"LISTED AS NEVER MET, BUT MET: {name}, {function}, {guard}: {by}"


def run_guarded(name: str, chosen: Iterable[int] | None = None) -> tuple[list[Outcome], list[str]]:
    """Test the guarded mutants of a module; return the outcomes, and what `met_after_all` finds.

    chosen: their numbers in its catalogue.
    """
    warnings.simplefilter("ignore")
    tested = Tested(name)
    entries = entries_of(name)
    outcomes = []
    for i in range(len(entries)) if chosen is None else chosen:
        outcome = tested.outcome(entries[i])
        if outcome is not None:
            outcomes.append(outcome)
            result = outcome.killed_by or "survived"
            print(f"{result}: {outcome}", file=sys.stderr, flush=True)
    return outcomes, [*met_after_all(name)]
