"""Mistakes of a user of the suite, and a process that makes all of them."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

MODULE = "adapter_in_this_folder"
REFUSALS = {  # options: how the one line begins
    (
        "--ddpm-impl",
        f"{MODULE}:Adapter",
    ): f"--ddpm-impl {MODULE}:Adapter: {MODULE}.py is there, but",
    ("--ddpm-impl", "nowhere:Thing"): "--ddpm-impl nowhere:Thing: no module nowhere is installed",
    ("--ddpm-impl", "math"): "--ddpm-impl math: write a module, a colon and an adapter",
    ("--ddpm-impl", "math:pi[e]"): "--ddpm-impl math:pi[e]: pi has no table of options",
    ("--ddpm-impl", "math:pi"): "--ddpm-impl math:pi: name = None must be a string",
    (
        "--hypothesis-profile",
        "typo",
    ): "--hypothesis-profile typo: there is no such profile; use dev",
    ("--ddpm-budget", "soon"): "--ddpm-budget soon: use a positive number of seconds",
}
NO_PLUGIN = (
    "ERROR: the property suite needs its plugin, which pytest did not load: add -p ddpm_core."
)
PROGRAM = """
import contextlib, io, json, os, sys
import pytest
ONCE = ["-p", "no:cacheprovider", "-W", "ignore:Module already imported"]
for words in json.loads(sys.argv[1]):
    if words[-1] == "no plugins":
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        words.pop()
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = pytest.main([*ONCE, *words])
    print(json.dumps([int(code), output.getvalue()]))
"""


def check_refusals(python: Path | str, folder: Path, suite: Sequence[str]) -> None:
    """Make every mistake in this folder, which is not on Python's path, in one process."""
    (folder / f"{MODULE}.py").touch()
    mistakes = [[*suite, *more, *words] for words in REFUSALS for more in ([], ["-n2"])]
    cases = json.dumps([*mistakes, [*suite, "no plugins"]])
    command = [python, "-P", "-c", PROGRAM, cases]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *refused, (code, output) = map(json.loads, done.stdout.splitlines())
    for found, words in zip(refused, mistakes, strict=True):
        sentence = f"ERROR: {REFUSALS[words[-2], words[-1]]}"
        assert found[0] == 4, (words, found)
        assert found[1].startswith(sentence), (words, found)
        assert len(found[1].splitlines()) == 2, (words, found)  # the second one is empty
    assert (code, output.splitlines()[-2][: len(NO_PLUGIN)]) == (4, NO_PLUGIN), output
    assert "Traceback" not in output
    assert "E  " not in output
