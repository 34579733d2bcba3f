"""Options of the property suite, and what pytest has to know about it early."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NEEDED = ("hypothesis", "mpmath")  # by every check
PACKAGE = "ddpm_core.property_tests"  # the name of an installed suite, for --pyargs


OPTIONS: dict[str, dict[str, Any]] = {
    "--ddpm-impl": {
        "metavar": "MODULE:ATTRIBUTE",
        "help": "adapter to test, or a factory with a table of options (default: ddpm-core's own)",
    },
    "--ddpm-noise-epoch": {
        "default": "0",
        "metavar": "NAME",
        "help": "key of the noise of all Monte Carlo claims (default: 0)",
    },
    "--ddpm-report": {
        "default": "verification",
        "metavar": "FOLDER",
        "help": "folder for report.json and report.html (default: verification)",
    },
    "--ddpm-deviations": {
        "metavar": "FILE",
        "help": "TOML file with the known deviations of the adapter (default: those it lists)",
    },
    "--ddpm-accept": {
        "action": "store_true",
        "help": "write what fails into the file of --ddpm-deviations, with its measured effect",
    },
    "--ddpm-require": {
        "metavar": "METHODS|NUMBER",
        "help": "fail unless these methods, or checks of so many, were compared",
    },
    "--ddpm-budget": {
        "metavar": "SECONDS",
        "help": "wall time of the run; checks that have not begun by then are not run",
    },
}
ALIASES = ("impl", "noise-epoch", "report")


def add_options(parser: Any) -> None:
    """Add every option under its prefixed name, which no other project has."""
    group = parser.getgroup("ddpm-core property suite")
    for name, attributes in OPTIONS.items():
        group.addoption(name, **attributes)


def add_aliases(parser: Any) -> None:
    """Add --impl, --noise-epoch and --report unless a plugin or conftest.py has such an option."""
    group = parser.getgroup("ddpm-core property suite")
    for name in ALIASES:
        if is_unknown(parser, f"--{name}"):
            of = f"--ddpm-{name}"
            dest = of.removeprefix("--").replace("-", "_")
            attributes = {**OPTIONS[of], "dest": dest, "help": f"the same as {of}"}
            group.addoption(f"--{name}", **attributes)


def is_unknown(parser: Any, option: str) -> bool:
    """Return whether no option has this name; only pytest 9 refuses a second one by itself."""
    try:
        _, unknown = parser.parse_known_and_unknown_args([option])
    except pytest.UsageError:  # such as: it expects an argument
        return False
    return option in unknown


def require_extra(options: Any, words: Sequence[str], suite: Path, current: Path) -> None:
    """Refuse to run the suite without the packages of the extra `verify`."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    for word in words if missing else ():
        path = (current / word.split("::")[0]).resolve()
        if path.is_relative_to(suite) or (options.pyargs and _names_suite(word)):
            raise pytest.UsageError(
                f"the property suite needs {' and '.join(missing)}: pip install 'ddpm-core[verify]'"
            )


def name_folder_of_suite(options: Any, words: Sequence[str], suite: Path, current: Path) -> None:
    """Add the folder of an installed suite, which --pyargs and one of the words name.

    pytest loads the conftest.py of a folder before it reads the options, and that of a package
    during collection, too late for profiles and for errors of usage. The conftest.py of the current
    folder, which it loads if no folder is named, is loaded as before.
    """
    # pytest 8 loses some words of `options` here, if an option is not yet known.
    if options.pyargs and any(map(_names_suite, words)):
        folders = [name for name in options.file_or_dir if (current / name.split("::")[0]).exists()]
        options.file_or_dir += [str(suite)] if folders else [str(current), str(suite)]


def _names_suite(word: str) -> bool:
    return word.split("::")[0] in ("ddpm_core", PACKAGE) or word.startswith(f"{PACKAGE}.")
