"""Helper of the tests of the commands."""

import subprocess
import sys

HEAVY = {"torch", "numpy", "matplotlib", "sklearn"}


def help_without_heavy_imports(command: str) -> str:
    """Return what --help prints in a new process, which must import none of HEAVY."""
    code = (
        "import runpy, sys; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_module('ddpm_core.{command}', run_name='__main__')\n"
        "except SystemExit as done: assert done.code == 0\n"
        f"assert not {HEAVY} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
