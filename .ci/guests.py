"""Run the property suite beside other plugins of pytest, with warnings as errors.

Run as: .venv/bin/python .ci/guests.py [PLUGIN ...]

Each plugin is downloaded into a temporary folder of its own. The suite is that of a wheel of this
checkout; its dependencies are those of the Python that runs this script. The exit code is 1 if the
outcome of a check depends on a plugin.
"""

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUESTS = {  # plugin: the options that make it act
    "pytest-xdist": "-n 2",
    "pytest-timeout": "--timeout 60",
    "pytest-rerunfailures": "--reruns 1",
    "pytest-randomly": "-p randomly",
    "pytest-cov": "--cov ddpm_core.posterior",
    "pytest-asyncio": "-o asyncio_default_fixture_loop_scope=function",
    "pytest-reporter": "--report page.html",
    "pytest-html": "--html page.html --self-contained-html",
}
SUITE = "-W error -p no:cacheprovider --pyargs ddpm_core.property_tests -k forward_process"
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def output(*command: object, path: str = "", folder: Path = ROOT) -> str:
    """Return what a program prints; `path` is its PYTHONPATH."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**ENVIRONMENT, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return f"{done.stdout}\nexit code {done.returncode}"


def main() -> int:
    """Install and run everything; print a line for each plugin; return the exit code."""
    parser = argparse.ArgumentParser(description="Run the suite beside other plugins of pytest.")
    parser.add_argument("plugins", nargs="*", metavar="PLUGIN", help=", ".join(GUESTS))
    plugins = parser.parse_args().plugins or list(GUESTS)
    if unknown := set(plugins) - set(GUESTS):
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(GUESTS)}")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="guests-") as temporary:
        folder = Path(temporary)
        output(sys.executable, "-m", "venv", folder / "venv")
        python = folder / "venv/bin/python"
        (site,) = (folder / "venv/lib").glob("*/site-packages")
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        output(python, "-m", "pip", "install", "-qq", "--no-deps", ROOT)
        paths = {}
        for plugin in plugins:
            paths[plugin] = str(folder / plugin)
            output(python, "-m", "pip", "install", "-qq", "--target", paths[plugin], plugin)
        for plugin in (None, *plugins):
            options = GUESTS[plugin].split() if plugin else []
            path = paths[plugin] if plugin else ""
            found = output(
                python, "-m", "pytest", *SUITE.split(), *options, path=path, folder=folder
            )
            result = re.search(r"^ddpm_core: .*$", found, re.MULTILINE)
            loaded = plugin is None or plugin.removeprefix("pytest-") in found
            good = found.endswith("exit code 0") and result and "failed" not in result[0] and loaded
            print(f"{plugin or 'alone':<22}{result[0] if result else 'no checks ran'}", flush=True)
            if not good:
                failed += 1
                print(*found.splitlines()[-30:], sep="\n", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
