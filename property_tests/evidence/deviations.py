"""Known deviations of an implementation in a TOML file, by the names of the checks.

["test_posterior.py::test_mean_and_variance_match_bayes[any-var]"]
verdict = "digits"
effect = "var at (1,) is 1.00012 times the exact value"
reason = "What the implementation does instead."
upstream = "file.py, function"
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ..protocol.nouns import VERDICTS, Deviation
from .files import replace

FIELDS = ("verdict", "effect", "reason", "upstream")
UNEXPLAINED = "Not explained yet."


def read(file: Path) -> dict[str, Deviation]:
    """Return the deviations in a file; pytest.UsageError names the file, the entry and the rule."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"deviations in {file}: {error}") from error
    for name, entry in found.items():
        fields = entry if isinstance(entry, dict) else {}
        wrong = [each for each in FIELDS if not isinstance(fields.get(each), str)]
        if wrong or fields.keys() - {*FIELDS} or fields["verdict"] not in VERDICTS:
            raise pytest.UsageError(
                f'deviations in {file}: ["{name}"] must have {", ".join(FIELDS)}, each a string, '
                f"and a verdict of {', '.join(VERDICTS)}"
            )
    return {name: Deviation(**entry) for name, entry in found.items()}


def accept(file: Path, rows: Mapping[str, Mapping[str, Any]]) -> int:
    """Write the failed checks of a run into the file, and return their number.

    An entry that exists keeps its reason and place, and its effect if the message has no figure.
    Checks that did not run keep their entries.
    """
    before = read(file) if file.exists() else {}
    ran = {each["check"]: each for each in rows.values() if not each["control"]}
    kept = {name: each for name, each in before.items() if not _is_of(name, ran)}
    failed = {name: each for name, each in ran.items() if each["verdict"]}
    for name, each in failed.items():
        old = before.get(name) or before.get(name.partition("[")[0]) or Deviation("", "", "")
        effect = " ".join(each["message"].split())
        if old.effect and (effect.startswith("assert") or not any(map(str.isdigit, effect))):
            effect = old.effect
        kept[name] = Deviation(old.reason or UNEXPLAINED, effect, old.upstream, each["verdict"])
    write(file, kept)
    return len(failed)


def _is_of(name: str, ran: Mapping[str, Any]) -> bool:
    """Whether a key, of one case or of all, is of a check that ran."""
    return any(name in (check, check.partition("[")[0]) for check in ran)


def write(file: Path, deviations: Mapping[str, Deviation]) -> None:
    """Write deviations, sorted by name."""
    lines = []
    for name in sorted(deviations):
        entry = deviations[name]._asdict()
        lines += [f"[{_quoted(name)}]", *(f"{each} = {_quoted(entry[each])}" for each in FIELDS)]
        lines.append("")
    replace(file, "\n".join(lines))


def _quoted(text: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
