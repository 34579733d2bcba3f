"""Options of the property suite, declared where pytest looks before it finds the suite itself."""

from typing import Any


def pytest_addoption(parser: Any) -> None:
    """--impl chooses what is put to the test; --noise-epoch gives Monte Carlo fresh noise."""
    group = parser.getgroup("ddpm-core property suite")
    group.addoption(
        "--impl",
        default=None,
        metavar="MODULE:ATTRIBUTE",
        help="adapter to test, a class or an instance; by default ddpm-core's own",
    )
    group.addoption(
        "--noise-epoch",
        default="0",
        metavar="NAME",
        help="another name draws other noise in every Monte Carlo claim",
    )
