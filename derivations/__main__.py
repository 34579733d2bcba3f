"""python -m derivations: read every page, check every formula, prove every equation."""

import argparse
import sys
import time
from collections import Counter

from .checker import links, pages, prove, status, worlds
from .checker.evaluate import Unsaid


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m derivations", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew the status table of README.md")
    arguments = parser.parse_args()
    start = time.monotonic()
    try:
        found = pages.read_all()
        named = pages.equations(found)
        links.check_pages(found)
        prove.load()
        for stem, page in found.items():
            for formula in page.formulas:
                worlds.examine(formula, named)
            print(f"{stem}: {len(page.equations)} equations, {len(page.formulas)} formulas hold")
        how = status.proofs(named)
        readme = found["README"]
        renewed = status.renewed(readme.text, status.table(found, how))
    except (pages.PageError, worlds.Untrue, prove.Unproved, Unsaid) as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - start
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(how.values()).items())
    print(f"{len(named)} equations in {seconds:.1f} s: {kinds}")
    if renewed != readme.text:
        if not arguments.write:
            print("the status table of README.md is old; add --write to renew it", file=sys.stderr)
            return 1
        readme.path.write_text(renewed, encoding="utf-8")
        print("wrote the status table of README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
