"""Report of a run of the suite: report.json, report.html and a summary for the terminal."""

import inspect
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import settings

from ..statistics.monte_carlo import ALPHA_RUN
from . import faults
from .evidence import Evidence
from .files import replace
from .page import html_page

Rows = Mapping[str, Mapping[str, Any]]


def row(item: Any, seen: Evidence) -> dict[str, Any]:
    """Return the row of a check in JSON types, sent to the process that writes the report."""
    control = item.path.parent != Path(__file__).parent.parent
    equation, stated = statement(item.function)
    return {
        "suite": __package__.rpartition(".")[0],
        "check": f"{item.path.name}::{item.name}",
        "control": control,
        "equation": equation,
        "statement": stated,
        "oracle": getattr(item.module, "ORACLE", ""),
        "calls": seen.calls,
        "comparisons": seen.comparisons,
        "worst": seen.worst,
        "worst_at": seen.worst_at,
        "examples": examples(item.function),
        "compared": seen.examples,
        "discarded": seen.discarded,
        "answered": sorted(seen.answered),
        "declined": seen.declined,
        "verdict": seen.verdict,
        "effect": seen.effect,
        "mutants": seen.mutants,
        "claims": [] if control else _claims(seen),  # controls make claims that must fail
    }


def statement(test: Any) -> tuple[str, str]:
    """Return the equations that a check names, and what it states in its first paragraph."""
    doc = inspect.getdoc(test) or ""
    named = re.match(r"Eq\. ([\w.-]+(?: and [\w.-]+)*)[,: ]*", doc)
    rest = doc[named.end() :] if named else doc
    return named[1].rstrip(".") if named else "", " ".join(rest.split("\n\n")[0].split())


def examples(test: Any) -> int:
    """Return the number of Hypothesis examples at definition time; 0 without Hypothesis."""
    bound = getattr(test, "_hypothesis_internal_use_settings", None)
    return bound.max_examples if isinstance(bound, settings) else 0


def _claims(seen: Evidence) -> list[dict[str, Any]]:
    """Return the claims up to the first rejected one.

    Later claims belong to the search for a smaller example and spend nothing.
    """
    rows = []
    for claim in seen.claims:
        worst = claim.worst
        rows.append(
            {
                "equation": claim.equation,
                "example": claim.example,
                "n": claim.scalars,
                "alpha": claim.alpha,
                "min_effect": claim.min_effect,
                "power": claim.power,
                "p": None if worst is None or worst.p != worst.p else worst.p,
                "effect": "" if worst is None else f"{worst.name}: {worst.effect}",
                "rejected": claim.rejected,
            }
        )
        if claim.rejected:
            break
    return rows


def spent(rows: Rows) -> float:
    """Return the sum of alpha, a bound on P(any false alarm) of the run for any dependence."""
    return sum(claim["alpha"] for each in rows.values() for claim in each["claims"])


def exit_code(rows: Rows) -> int:
    """Return 1 if a formula is wrong, 6 if only digits are lost, 7 if only conventions differ."""
    return next((faults.EXIT_CODES[each["verdict"]] for each in faults.failed(rows.values())), 0)


def overspent(rows: Rows) -> bool:
    """Return whether the checks together exceed the false-alarm probability of a run."""
    return spent(rows) > ALPHA_RUN * (1 + 1e-9)  # allows for rounding of the sum


def totals(rows: Rows) -> dict[str, Any]:
    """Return the numbers of the summary; checks of the suite itself are counted separately."""
    properties = [each for each in rows.values() if not each["control"]]
    claims = [claim for each in properties for claim in each["claims"]]
    exact = [each for each in properties if each["comparisons"]]
    answered = {name for each in properties for name in each["answered"]}
    declined = {name for each in properties for name in each["declined"]}
    worst = max(exact, key=lambda each: each["worst"], default=None)
    least = min((c for c in claims if c["p"] is not None), key=lambda c: c["p"], default=None)
    return {
        "implementation": next((each["implementation"] for each in properties), ""),
        "outcomes": dict(Counter(each["outcome"] for each in properties)),
        "verdicts": faults.counts(properties),
        "controls": dict(Counter(each["outcome"] for each in rows.values() if each["control"])),
        "not_offered": sorted(declined - answered),
        "in_part": sorted(declined & answered),
        "compared": sum(each["compared"] for each in properties),
        "discarded": sum(each["discarded"] for each in properties),
        "comparisons": sum(each["comparisons"] for each in properties),
        "worst": worst and {"fraction_of_allowance": worst["worst"], "check": worst["check"]},
        "claims": len(claims),
        "scalars": sum(claim["n"] for claim in claims),
        "alpha_spent": spent(rows),
        "alpha_limit": ALPHA_RUN,
        "least_power": min((claim["power"] for claim in claims), default=None),
        "least_p": least and {"p": least["p"], "equation": least["equation"]},
        "seconds": sum(each["seconds"] for each in rows.values()),
    }


def summary(sums: Mapping[str, Any]) -> list[str]:
    """Return four lines: results, accuracy, false-alarm probability, and what is not offered."""
    outcomes = [f"{n} {outcome}" for outcome, n in sorted(sums["outcomes"].items())]
    verdicts = f" ({', '.join(sums['verdicts'])})" if sums["verdicts"] else ""
    outcomes = [each + verdicts * each.endswith("failed") for each in outcomes]
    controls = [f"{n} {outcome}" for outcome, n in sorted(sums["controls"].items())]
    worst, least = sums["worst"], sums["least_p"]
    over = " - MORE THAN ALLOWED" if sums["alpha_spent"] > ALPHA_RUN * (1 + 1e-9) else ""
    return [
        f"{sums['implementation']}: {', '.join(outcomes)}"
        + (f"; controls of the suite itself: {', '.join(controls)}" if controls else ""),
        f"exact: {sums['comparisons']:,} numbers compared with the oracles"
        + (
            f", worst error {_ratio(worst['fraction_of_allowance'])} of the rounding allowance "
            f"({worst['check']})"
            if worst
            else ""
        ),
        f"Monte Carlo: {sums['claims']} claims on {sums['scalars']:,} scalars spent "
        f"{sums['alpha_spent']:.3g} of a false-alarm probability of {ALPHA_RUN:g}{over}"
        + (f"; smallest p {least['p']:.3g} ({least['equation']})" if least else ""),
        f"not offered, so not tested: {', '.join(sums['not_offered']) or 'nothing'}"
        + (f"; offered in part: {', '.join(sums['in_part'])}" if sums["in_part"] else ""),
    ]


def write(rows: Rows, folder: Path) -> list[str]:
    """Write report.json and report.html, and return the lines for the terminal.

    What is wrong comes first, then the summary.
    """
    sums = totals(rows)
    if not sums["outcomes"]:  # controls alone do not test an implementation
        return []
    ordered = [dict(rows[node]) for node in sorted(rows)]
    for each in ordered:
        each.pop("suite", None)
    lines = summary(sums)
    text = json.dumps({"totals": sums, "checks": ordered}, indent=1, sort_keys=True)
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / "report.json", text + "\n")
    replace(folder / "report.html", html_page(sums, lines, ordered))
    wrong = faults.fault_lines([each for each in ordered if not each["control"]])
    # the certificate's line may follow
    return [*wrong, *lines, f"report: {folder / 'report.html'}"]


def _ratio(worst: float) -> str:
    """Format the error relative to its allowance; an allowance of 0 has no ratio."""
    return f"{worst:.3g}" if worst < 1e300 else "infinitely many times"
