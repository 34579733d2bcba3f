"""Count what a reader passes from `python -m ddpm_core.train` to the first backward().

Run as: python -m benchmarks.reading_path [--detail] [flags of train ...]

It traces a real run and counts the files of ddpm_core, their named functions and their distinct
lines that are executed, without the bodies of imported modules and without the preview before the
first step, which a reader can skip.
"""

import ast
import contextlib
import io
import os
import runpy
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import torch

import ddpm_core

HOME = Path(ddpm_core.__file__).parent
SKIPPED = ("_preview", "Run.visit")  # of this version, and of the first one measured


class FirstBackwardError(BaseException):
    """Ends the run; no handler of the command catches it."""


def traced(flags: list[str]) -> set[tuple[str, int]]:
    """Return the (file, line) pairs executed before the first backward()."""
    lines: set[tuple[str, int]] = set()

    def inside(frame: FrameType | None) -> bool:
        while frame is not None:
            code = frame.f_code
            if code.co_filename.startswith(str(HOME)):
                imported = frame.f_globals.get("__name__") != "__main__"
                if code.co_qualname in SKIPPED or (code.co_name == "<module>" and imported):
                    return False
            frame = frame.f_back
        return True

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(str(HOME)) or not inside(frame):
            return None

        def line(frame: FrameType, event: str, argument: object) -> Any:
            if event == "line":
                lines.add((file, frame.f_lineno))
            return line

        return line

    def stop(*given: object, **named: object) -> None:
        raise FirstBackwardError

    sys.argv = ["train", "--max-steps", "2", "--out-dir", "run", *flags]
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        patch.object(torch.Tensor, "backward", stop),
    ):
        os.chdir(folder)  # where there is no certificate
        sys.settrace(trace)
        try:
            runpy.run_module("ddpm_core.train", run_name="__main__", alter_sys=True)
        except FirstBackwardError:
            pass
        finally:
            sys.settrace(None)
            os.chdir(HOME.parent)
    return lines


def functions(lines: set[tuple[str, int]]) -> Counter[str]:
    """Return the number of executed lines of each named function, by file and name."""
    found: Counter[str] = Counter()
    for file in sorted({file for file, _ in lines}):
        executed = {line for each, line in lines if each == file}
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = {line for line in executed if node.lineno <= line <= (node.end_lineno or 0)}
                if body:
                    name = f"{Path(file).relative_to(HOME)}: {node.name}, line {node.lineno}"
                    found[name] = len(body)
    return found


def main() -> None:
    flags = [each for each in sys.argv[1:] if each != "--detail"]
    detail = len(flags) < len(sys.argv) - 1
    lines = traced(flags)
    named = functions(lines)
    files = {file for file, _ in lines}
    if detail:
        for name, count in named.items():
            print(f"{count:4} {name}")
    print(f"{len(files)} files, {len(named)} functions, {len(lines)} lines")


if __name__ == "__main__":
    main()
