"""report.html of the suite: one page that needs no network."""

import html
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

Row = Mapping[str, Any]
ORDER = ("failed", "deviates", "not offered", "passed")
READING = (
    *("schedules", "forward process", "posterior", "parameterization", "losses", "samplers"),
    *("embeddings", "ema", "images", "contract"),
)


def html_page(totals: Row, lines: Sequence[str], checks: Sequence[Row]) -> str:
    """The page for the rows of report.json; what failed stands first."""
    asked = [each for each in checks if not each["control"]]
    controls = [each for each in checks if each["control"]]
    failed = [each for each in checks if each["outcome"] == "failed"]
    asked.sort(key=lambda each: _place(_topic(each)))
    by_topic = groupby(asked, key=_topic)
    body = [
        f"<h1>{_text(totals['implementation'] or 'Controls')}</h1>",
        f'<p class="verdict {"failed" if failed else "passed"}">{_verdict(failed, asked)}</p>',
        *(f"<p>{_text(line)}</p>" for line in lines),
        *(_failure(each) for each in failed),
        *(_section(topic, list(group)) for topic, group in by_topic),
        _controls(controls),
        f"<footer>{NOTE}</footer>",
    ]
    title = _text(totals["implementation"] or "property suite")
    return PAGE.format(title=title, style=STYLE, body="\n".join(filter(None, body)))


def _verdict(failed: Sequence[Row], asked: Sequence[Row]) -> str:
    if failed:
        return f"{len(failed)} of {len(asked)} checks fail."
    missing = sum(each["outcome"] != "passed" for each in asked)
    rest = f", {missing} are not offered or deviate as listed" if missing else ""
    return f"{len(asked) - missing} checks hold{rest}."


def _failure(check: Row) -> str:
    reason = _text(check.get("failure", ""))
    return f'<section class="failure"><h2>{_text(check["check"])}</h2><pre>{reason}</pre></section>'


def _section(topic: str, checks: Sequence[Row]) -> str:
    oracle = checks[0]["oracle"]
    rows = "".join(map(_row, sorted(checks, key=lambda each: ORDER.index(each["outcome"]))))
    about = f'<p class="note">Oracle: {_text(oracle)}</p>' if oracle else ""
    return (
        f"<section><h2>{_text(topic)}</h2>{about}<div class=scroll><table><thead><tr>"
        "<th>claim<th>evidence<th>worst seen<th>s<th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _topic(check: Row) -> str:
    file = check["check"].split("::")[0]
    return file.removeprefix("test_").removesuffix(".py").replace("_", " ")


def _place(topic: str) -> tuple[int, str]:
    """The order of reading; what is not in it comes last."""
    return READING.index(topic) if topic in READING else len(READING), topic


def _row(check: Row) -> str:
    name = check["check"].partition("::")[2]
    equation = f"<b>Eq. {_text(check['equation'])}</b> " if check["equation"] else ""
    evidence, worst = _evidence(check)
    outcome = check["outcome"]
    return (
        f"<tr><td>{equation}{_text(check['statement'])}<br><code>{_text(name)}</code>"
        f"<td>{evidence}<td>{worst}<td>{check['seconds']:.2f}"
        f'<td><span class="{outcome.replace(" ", "-")}">{outcome}</span></tr>'
    )


def _evidence(check: Row) -> tuple[str, str]:
    """What was done to find a fault, and the worst that was seen."""
    claims = check["claims"]
    if claims:
        n = sum(claim["n"] for claim in claims)
        alpha = sum(claim["alpha"] for claim in claims)
        effect = max(claim["min_effect"] for claim in claims)
        power = min(claim["power"] for claim in claims)
        many = f"{len(claims)} claims, " if len(claims) > 1 else ""
        done = (
            f"{many}n = {n:,}, &alpha; = {alpha:.3g}; an effect of {effect:g} is seen with "
            f"power 1 - {1 - power:.1g}"
        )
        known = [claim for claim in claims if claim["p"] is not None]
        least = min(known, key=lambda claim: claim["p"], default=None)
        worst = f"p = {least['p']:.3g}<br>{_text(least['effect'])}" if least else "not a number"
        return done, worst
    if check["comparisons"]:
        place = _text(check["worst_at"])
        return (
            f"{check['comparisons']:,} numbers, no false alarm",
            f"{check['worst']:.3g} of what rounding allows<br>{place}",
        )
    return (f"{check['calls']:,} calls, no false alarm" if check["calls"] else ""), ""


def _controls(controls: Sequence[Row]) -> str:
    if not controls:
        return ""
    failed = [each for each in controls if each["outcome"] == "failed"]
    return (
        "<section><h2>controls of the suite itself</h2>"
        f"<p>{len(controls) - len(failed)} of {len(controls)} hold: known bugs, planted faults, "
        "bad noise and wrong oracles turn the suite red, and right code does not.</p></section>"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


NOTE = (
    "Exact checks and the noise tape raise no false alarm. &alpha; is the probability that right "
    "code fails a Monte Carlo claim; the sum over a run is at most what the third line says, "
    "whatever the dependence. Not offered is never a pass."
)

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head>
<body><main>
{body}
</main></body></html>
"""

STYLE = """
:root { color-scheme: light dark; --ink: #18181b; --faint: #63636b; --page: #fafafa;
  --rule: #e4e4e7; --passed: #15803d; --failed: #b91c1c; --other: #b45309; }
@media (prefers-color-scheme: dark) { :root { --ink: #f4f4f5; --faint: #a1a1aa; --page: #131316;
  --rule: #303036; --passed: #4ade80; --failed: #f87171; --other: #fbbf24; } }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 12px; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 40px 0 4px; } h2::first-letter { text-transform: uppercase; }
p { margin: 0 0 6px; overflow-wrap: anywhere; }
.note, footer { color: var(--faint); } footer { margin-top: 48px; font-size: .875rem; }
.verdict { font-size: 1.2rem; font-weight: 600; margin-bottom: 12px; }
.passed { color: var(--passed); } .failed { color: var(--failed); }
.not-offered, .deviates { color: var(--other); white-space: nowrap; }
.failure h2 { color: var(--failed); overflow-wrap: anywhere; }
.failure h2::first-letter { text-transform: none; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 4px solid var(--failed);
  padding-left: 12px; font-size: .875rem; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; margin-top: 8px; }
th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
th { font-weight: 400; color: var(--faint); }
td:nth-child(1) { min-width: 22em; } td:nth-child(2), td:nth-child(3) { min-width: 13em; }
td:nth-child(4) { font-variant-numeric: tabular-nums; }
code { color: var(--faint); font-size: .8rem; overflow-wrap: anywhere; }
"""
