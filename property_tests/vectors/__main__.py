"""Write vectors/, or compare it: python -m property_tests.vectors [--check]"""

import argparse
import os
import sys
from itertools import zip_longest
from pathlib import Path

from .document import FOLDER, documents


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the files, and write none")
    check = parser.parse_args(arguments).check
    if check:
        found = first_difference(FOLDER, documents())
        print(found or f"{FOLDER} is up to date")
        return 1 if found else 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        replace(FOLDER / name, text)
    return 0


def first_difference(folder: Path, texts: dict[str, str]) -> str:
    """Return the first difference of the files in a folder from these texts, or ""."""
    for name in sorted({*texts, *(path.name for path in folder.glob("*.json"))}):
        if name not in texts or not (folder / name).is_file():
            return f"{name} is {'not written by this command' if name not in texts else 'missing'}"
        there = (folder / name).read_text(encoding="utf-8").split("\n")
        lines = zip_longest(there, texts[name].split("\n"))
        for number, (old, new) in enumerate(lines, start=1):
            if old != new:
                return f"{name}, line {number} is {old!r}, not {new!r}"
    return ""


def replace(path: Path, text: str) -> None:
    """Write a file so that it is never seen in part."""
    written = path.with_suffix(".tmp")
    written.write_bytes(text.encode())
    os.replace(written, path)


if __name__ == "__main__":
    sys.exit(main())
