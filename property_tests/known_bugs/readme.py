"""Write README.md, the table of known bugs. Run as: python -m property_tests.known_bugs.readme"""

from pathlib import Path

from . import BUGS, LOOK_ALIKES, KnownBug

HEAD = """# Known bugs

Real bugs of real projects. Each is one wrong method of our own adapter in a file here, and
`meta/test_known_bugs.py` sees the named property turn red on it and stay green without it.
This table is made by `python -m property_tests.known_bugs.readme`.

| Bug | Where | What is wrong | Caught by |
|---|---|---|---|
"""

MIDDLE = """
Look-alikes that were reported as bugs and are right; the suite leaves them alone.

| Look-alike | Where | What it is | Left alone by |
|---|---|---|---|
"""

WAITING = """
Not here yet, because the protocol lacks their method: P05, P06, N11 and V02 (learned variance and
the variational bound), L04 and L11 (loss weights), A05, A23, A33 and N07 (DDIM and solvers), G02,
G07 and G09 (guidance), N03 (the Gaussian KL). Left out by name, since this library has no such
method: S12, S16, A19, A20, A27, G06, L05, L09.
"""


def page() -> str:
    """The whole page."""
    return HEAD + rows(BUGS) + MIDDLE + rows(LOOK_ALIKES) + WAITING


def rows(bugs: list[KnownBug]) -> str:
    return "".join(f"| {bug.id} | {bug.where} | {bug.what} | `{bug.caught_by}` |\n" for bug in bugs)


if __name__ == "__main__":
    (Path(__file__).parent / "README.md").write_text(page(), encoding="utf-8")
