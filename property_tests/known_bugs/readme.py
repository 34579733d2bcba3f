"""Write README.md, the table of known bugs. Run as: python -m property_tests.known_bugs.readme"""

import re
from collections.abc import Mapping
from pathlib import Path

from hypothesis import settings

from . import BENIGN_VARIANTS, BUGS, KnownBug
from .run import CAUGHT, attack

PAGE = Path(__file__).parent / "README.md"
HEAD = """# Known bugs

Real bugs of real projects. Each is one wrong method of our own adapter in a file here, and
`meta/test_known_bugs.py` sees the named property turn red on it and stay green without it.
This table is made by `python -m property_tests.known_bugs.readme`.

| Bug | Where | What is wrong | Caught by | Measured there |
|---|---|---|---|---|
"""

MIDDLE = """
Benign variants: reported as bugs, but correct. The suite must not flag them.

| Variant | Where | What it is | Not flagged by |
|---|---|---|---|
"""

WAITING = """
Left out by name, since this library has no such method: S12, S16, A19, A20, A27, G06, L05, L09.
"""


def page(effects: Mapping[str, str]) -> str:
    """The whole page, with what was measured of each bug."""
    wrong = "".join(f"{row(bug)} {effects.get(bug.id, '')} |\n" for bug in BUGS)
    right = "".join(f"{row(bug)}\n" for bug in BENIGN_VARIANTS)
    return HEAD + wrong + MIDDLE + right + WAITING


def row(bug: KnownBug) -> str:
    return f"| {bug.id} | {bug.where} | {bug.what} | `{bug.caught_by}` |"


def effect(failure: BaseException) -> str:
    """What a failure says was measured, without the digits that only rounding decides."""
    said = str(failure).splitlines()[-1].strip()
    return re.split(r"[:,] (?:got|p =) |, [\d.e+]+ times the allowance", said)[0]


def written() -> dict[str, str]:
    """The effects that stand in README.md."""
    table = PAGE.read_text(encoding="utf-8").split(MIDDLE)[0].splitlines()
    cells = [line.strip("| ").split(" | ") for line in table if line.count("|") == 6]
    return {each[0]: each[4] for each in cells[1:] if len(each) == 5}


def main() -> None:
    settings.register_profile("table", settings(deadline=None, database=None, derandomize=True))
    settings.load_profile("table")
    effects = {}
    for bug in BUGS:
        try:
            attack(bug)
        except CAUGHT as failure:
            effects[bug.id] = effect(failure)
    PAGE.write_text(page(effects), encoding="utf-8")


if __name__ == "__main__":
    main()
