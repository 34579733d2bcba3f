"""What a run of the suite has shown: report.json, report.html and five lines for the terminal."""

import inspect
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import settings

from ..statistics.monte_carlo import ALPHA_RUN
from .evidence import Evidence
from .page import html_page

Rows = Mapping[str, Mapping[str, Any]]


def row(item: Any, seen: Evidence) -> dict[str, Any]:
    """What a check sends to the process that reports, in JSON's types."""
    said = inspect.getdoc(item.function) or ""
    control = item.path.parent != Path(__file__).parent.parent
    named = re.match(r"Eq\. ([\w.-]+(?: and [\w.-]+)*)[,: ]*", said)
    statement = said[named.end() :] if named else said
    return {
        "suite": __package__.rpartition(".")[0],
        "check": f"{item.path.name}::{item.name}",
        "control": control,
        "equation": named[1].rstrip(".") if named else "",
        "statement": " ".join(statement.split("\n\n")[0].split()),
        "oracle": getattr(item.module, "ORACLE", ""),
        "calls": seen.calls,
        "comparisons": seen.comparisons,
        "worst": seen.worst,
        "worst_at": seen.worst_at,
        "examples": examples(item.function),
        "planted": seen.planted,
        "claims": [] if control else _claims(seen),  # controls make claims that are to fail
    }


def examples(test: Any) -> int:
    """How many Hypothesis was told to make when the test was defined; 0 without Hypothesis."""
    bound = getattr(test, "_hypothesis_internal_use_settings", None)
    return bound.max_examples if isinstance(bound, settings) else 0


def _claims(seen: Evidence) -> list[dict[str, Any]]:
    """The claims up to the first that was rejected: what follows is the search for a smaller
    example, and costs nothing more."""
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
    """The sum of alpha, which bounds P(any false alarm) of the run whatever the dependence."""
    return sum(claim["alpha"] for each in rows.values() for claim in each["claims"])


def overspent(rows: Rows) -> bool:
    """Whether the checks together promised fewer false alarms than they kept to."""
    return spent(rows) > ALPHA_RUN * (1 + 1e-9)  # the sum itself is rounded


def totals(rows: Rows) -> dict[str, Any]:
    """The figures of the summary; checks of the suite itself are counted apart."""
    asked = [each for each in rows.values() if not each["control"]]
    claims = [claim for each in asked for claim in each["claims"]]
    exact = [each for each in asked if each["comparisons"]]
    worst = max(exact, key=lambda each: each["worst"], default=None)
    least = min((c for c in claims if c["p"] is not None), key=lambda c: c["p"], default=None)
    return {
        "implementation": next((each["implementation"] for each in asked), ""),
        "outcomes": dict(Counter(each["outcome"] for each in asked)),
        "controls": dict(Counter(each["outcome"] for each in rows.values() if each["control"])),
        "not_offered": sorted({each["missing"] for each in asked if each.get("missing")}),
        "comparisons": sum(each["comparisons"] for each in asked),
        "worst": worst and {"share_of_allowed": worst["worst"], "check": worst["check"]},
        "claims": len(claims),
        "scalars": sum(claim["n"] for claim in claims),
        "alpha_spent": spent(rows),
        "alpha_limit": ALPHA_RUN,
        "least_power": min((claim["power"] for claim in claims), default=None),
        "least_p": least and {"p": least["p"], "equation": least["equation"]},
        "seconds": sum(each["seconds"] for each in rows.values()),
    }


def summary(sums: Mapping[str, Any]) -> list[str]:
    """What was shown, to what accuracy, with which risk, and what was left out: four lines."""
    counts = [f"{n} {outcome}" for outcome, n in sorted(sums["outcomes"].items())]
    controls = [f"{n} {outcome}" for outcome, n in sorted(sums["controls"].items())]
    worst, least = sums["worst"], sums["least_p"]
    over = " - MORE THAN IT MAY" if sums["alpha_spent"] > ALPHA_RUN * (1 + 1e-9) else ""
    return [
        f"{sums['implementation']}: {', '.join(counts)}"
        + (f"; controls of the suite itself: {', '.join(controls)}" if controls else ""),
        f"exact: {sums['comparisons']:,} numbers against the oracles"
        + (
            f", the worst at {_share(worst['share_of_allowed'])} of what rounding allows "
            f"({worst['check']})"
            if worst
            else ""
        ),
        f"Monte Carlo: {sums['claims']} claims on {sums['scalars']:,} scalars spent "
        f"{sums['alpha_spent']:.3g} of a false-alarm probability of {ALPHA_RUN:g}{over}"
        + (f"; least p {least['p']:.3g} ({least['equation']})" if least else ""),
        f"not offered, so not shown: {', '.join(sums['not_offered']) or 'nothing'}",
    ]


def write(rows: Rows, folder: Path) -> list[str]:
    """Write report.json and report.html; returns the lines for the terminal."""
    sums = totals(rows)
    if not sums["outcomes"]:  # controls alone say nothing of an implementation
        return []
    ordered = [dict(rows[node]) for node in sorted(rows)]
    for each in ordered:
        each.pop("suite", None)
    lines = summary(sums)
    text = json.dumps({"totals": sums, "checks": ordered}, indent=1, sort_keys=True)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "report.json", text + "\n")
    _replace(folder / "report.html", html_page(sums, lines, ordered))
    return [*lines, f"report: {folder / 'report.html'}"]  # the last one: something may follow it


def _replace(path: Path, text: str) -> None:
    """The old file or the new one, at every moment."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _share(worst: float) -> str:
    """Of an error where nothing is allowed, no number."""
    return f"{worst:.3g}" if worst < 1e300 else "more than any share"
