"""Run the library and its suite at the lowest versions that pyproject.toml declares.

Run as: .venv/bin/python .ci/lowest.py [--torch 2.13.0] [--tests]

constraints.txt pins the newest versions; this script tries the other end. It makes a temporary
environment for the Python that runs it, installs each direct dependency at its lowest wheel within
the declared range, runs the commands with a tiny network and then the property suite under its dev
profile. Dependencies of dependencies stay at their newest versions. The exit code is 1 if anything
fails. On Linux, the lowest PyTorch is a CUDA build: 7 GB on disk while the script runs.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
WHEELS = ("--only-binary", ":all:")  # an old source release rarely compiles on a new machine
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
TINY = "--width 8 --multipliers 1 --blocks 1 --attention --T 50 --schedule cosine --device cpu"


def declared(extras: list[str]) -> list[Requirement]:
    """Return the requirements to build, to run and of the extras, without the project itself."""
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = whole["project"]
    texts = [*whole["build-system"]["requires"], *project["dependencies"]]
    texts += [text for extra in extras for text in project["optional-dependencies"][extra]]
    found = [
        requirement for text in texts if (requirement := Requirement(text)).name != "ddpm-core"
    ]
    for requirement in found:
        lower_bound(requirement)
    return found


def lower_bound(requirement: Requirement) -> Version:
    """Return the version behind `>=`."""
    for each in requirement.specifier:
        if each.operator == ">=":
            return Version(each.version)
    raise SystemExit(f"{requirement} in pyproject.toml declares no lower bound: add one with >=")


def lowest_wheel(python: Path, requirement: Requirement) -> Version:
    """Return the lowest version in the declared range that has a wheel and is not withdrawn."""
    pip = [python, "-m", "pip"]
    listed = subprocess.run(
        [*pip, "index", "versions", requirement.name], capture_output=True, text=True, check=False
    )
    found = re.search("^Available versions: (.*)$", listed.stdout, re.MULTILINE)
    texts = found[1].split(", ") if found else []
    # contains() is False for the oldest releases, whose version numbers follow no standard
    for version in sorted(Version(text) for text in texts if requirement.specifier.contains(text)):
        attempt = [*pip, "install", "-qq", "--dry-run", "--no-deps", *WHEELS]
        pin = f"{requirement.name}=={version}"
        if subprocess.run([*attempt, pin], capture_output=True, check=False).returncode == 0:
            return version
    raise SystemExit(f"{requirement}: no wheel for Python {sys.version.split()[0]} was found")


def steps(folder: Path, tests: bool) -> Iterator[tuple[str, str]]:
    """Yield the name and the arguments of each program to run, in order."""
    run = f"{folder}/run"
    yield "help", "ddpm_core.train --help"
    yield "train", f"ddpm_core.train --out-dir {run} --max-steps 2 --batch-size 8 {TINY}"
    yield "sample", f"ddpm_core.sample {run} --n 4 --steps 4 --gif"
    yield "evaluate", f"ddpm_core.evaluate {run} --n 4 --strata 4 --samples 4"
    suite = "property_tests --hypothesis-profile dev"
    yield "suite", f"pytest -q -p no:cacheprovider {suite} --ddpm-report {folder}/report"
    if tests:
        yield "tests", "pytest -q -p no:cacheprovider tests"


def succeeds(name: str, command: list[object]) -> bool:
    """Run a program in the checkout, print its outcome, and its last 40 lines if it fails."""
    print(f"{name:<10}", end="", flush=True)
    start = time.monotonic()
    ended = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    outcome = "failed" if ended.returncode else "passed"
    print(f"{outcome} in {time.monotonic() - start:.0f} s", flush=True)
    if ended.returncode:
        print(*ended.stdout.splitlines()[-40:], sep="\n", flush=True)
    return ended.returncode == 0


def main() -> int:
    """Install, run everything, print the table of versions; return the exit code."""
    parser = argparse.ArgumentParser(description="Run the library at its lowest declared versions.")
    parser.add_argument("--torch", metavar="VERSION", help="default: the lowest declared version")
    parser.add_argument(
        "--tests", action="store_true", help="run tests/ too, with the extras docs and dev"
    )
    arguments = parser.parse_args()
    requirements = declared(["verify", "docs", "dev"] if arguments.tests else ["verify"])
    with tempfile.TemporaryDirectory(prefix="lowest-") as temporary:
        folder = Path(temporary)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = folder / "venv/bin/python"
        install: list[object] = [python, "-m", "pip", "install", "-qq"]
        chosen = {each.name: lowest_wheel(python, each) for each in requirements}
        if arguments.torch:
            chosen["torch"] = Version(arguments.torch)
        print(f"Python {sys.version.split()[0]}")
        for each in requirements:
            bound, version = lower_bound(each), chosen[each.name]
            remark = "" if bound == version else "   above the declared bound"
            print(f"{each.name:<16} >={bound!s:<9} {version!s:<12}{remark}")
        pins = [f"{name}=={version}" for name, version in chosen.items()]
        pins += ["editables"]  # hatchling needs it for --editable, and declares it only when asked
        ours = ["--no-build-isolation", "--no-deps", "--editable", ROOT]
        if not succeeds("install", [*install, *WHEELS, *pins]):
            return 1
        if not succeeds("build", [*install, *ours]):
            return 1
        runs = [
            succeeds(name, [python, "-m", *words.split()])
            for name, words in steps(folder, arguments.tests)
        ]
    return 0 if all(runs) else 1


if __name__ == "__main__":
    sys.exit(main())
