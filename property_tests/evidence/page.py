"""Write the suite's report.html: one page that needs no network."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

from . import faults

Row = Mapping[str, Any]
ORDER = ("failed", "deviates", "not run", "too few", "not offered", "passed")
READING = (
    *("schedules", "forward process", "posterior", "parameterization", "losses", "samplers"),
    *("embeddings", "ema", "images", "contract"),
)


def html_page(totals: Row, lines: Sequence[str], checks: Sequence[Row]) -> str:
    """Return the page for the rows of report.json; failed checks come first."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # takes 0.1 s

    properties = [each for each in checks if not each["control"]]
    controls = [each for each in checks if each["control"]]
    failed = [each for each in checks if each["outcome"] == "failed" and not each["verdict"]]
    failed += faults.failed(checks)
    properties.sort(key=lambda each: _place(_topic(each)))
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, _styles()]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        implementation=totals["implementation"],
        verdict=_verdict(failed, properties),
        titles=faults.TITLES,
        lines=lines,
        failed=[{"failure": "", **each} for each in failed],
        topics=[_section(name, list(group)) for name, group in groupby(properties, key=_topic)],
        controls=_controls(controls),
    )


def _styles() -> Path:
    """Return the folder of style.css; nothing of the library is imported for it."""
    library = find_spec("ddpm_core")
    if library is None or library.origin is None:
        raise ModuleNotFoundError("ddpm_core, which holds the style of this page")
    return Path(library.origin).parent / "figures"


def _verdict(failed: Sequence[Row], properties: Sequence[Row]) -> str:
    if failed:
        verdicts = ", ".join(faults.counts(failed))
        return f"{len(failed)} of {len(properties)} checks fail{verdicts and ': '}{verdicts}."
    not_run = sum(each["outcome"] == "not run" for each in properties)
    missing = sum(each["outcome"] != "passed" for each in properties) - not_run
    rest = f", {missing} are not offered or deviate as listed" if missing else ""
    rest += f", {not_run} not run" if not_run else ""
    return f"{len(properties) - missing - not_run} checks pass{rest}."


def _section(topic: str, checks: Sequence[Row]) -> Row:
    ordered = sorted(checks, key=lambda each: ORDER.index(each["outcome"]))
    return {"name": topic, "oracle": checks[0]["oracle"], "rows": [_row(each) for each in ordered]}


def _topic(check: Row) -> str:
    file = check["check"].split("::")[0]
    return str(file.removeprefix("test_").removesuffix(".py").replace("_", " "))


def _place(topic: str) -> tuple[int, str]:
    """Return a sort key: topics in reading order, then all others."""
    return READING.index(topic) if topic in READING else len(READING), topic


def _row(check: Row) -> Row:
    evidence, worst, worst_at = _evidence(check)
    return {
        **{key: check[key] for key in ("equation", "statement", "outcome")},
        "name": check["check"].partition("::")[2],
        "evidence": "; ".join(filter(None, (_examples(check), evidence))),
        "worst": worst,
        "worst_at": worst_at,
        "seconds": f"{check['seconds']:.2f}",
    }


def _examples(check: Row) -> str:
    """Return how many examples were compared, and how many the implementation declined."""
    declined = f" ({check['discarded']} not offered)" if check["discarded"] else ""
    few = check["compared"] < 2 and not declined
    return "" if few else f"{check['compared']} examples{declined}"


def _evidence(check: Row) -> tuple[str, str, str]:
    """Return the size of the test, and the worst value with its position."""
    claims = check["claims"]
    if claims:
        n = sum(claim["n"] for claim in claims)
        alpha = sum(claim["alpha"] for claim in claims)
        effect = max(claim["min_effect"] for claim in claims)
        power = min(claim["power"] for claim in claims)
        many = f"{len(claims)} claims, " if len(claims) > 1 else ""
        done = (
            f"{many}n = {n:,}, \N{GREEK SMALL LETTER ALPHA} = {alpha:.3g}; an effect of {effect:g} "
            f"is detected with power 1 - {1 - power:.1g}"
        )
        known = [claim for claim in claims if claim["p"] is not None]
        least = min(known, key=lambda claim: claim["p"], default=None)
        return (done, f"p = {least['p']:.3g}", least["effect"]) if least else (done, "NaN", "")
    if check["comparisons"]:
        return (
            f"{check['comparisons']:,} numbers, no false alarm",
            f"{check['worst']:.3g} of the rounding allowance",
            check["worst_at"],
        )
    return (f"{check['calls']:,} calls, no false alarm" if check["calls"] else ""), "", ""


def _controls(controls: Sequence[Row]) -> str:
    failed = sum(each["outcome"] == "failed" for each in controls)
    return f"{len(controls) - failed} of {len(controls)}" if controls else ""
