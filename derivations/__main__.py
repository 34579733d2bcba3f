"""Parse every page, check every formula and prove every equation of the derivations."""

import argparse
import sys
import time
from collections import Counter

from .checker import links, pages, prove, random_instances, status
from .checker.evaluate import Undefined


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m derivations", description=__doc__)
    parser.add_argument("--write", action="store_true", help="update the status table in README.md")
    arguments = parser.parse_args()
    start = time.monotonic()
    try:
        parsed = pages.read_all()
        named = pages.equations(parsed)
        links.check_pages(parsed)
        prove.load()
        for stem, page in parsed.items():
            for formula in page.formulas:
                random_instances.check_formula(formula, named)
            print(f"{stem}: {len(page.equations)} equations, {len(page.formulas)} formulas hold")
        methods = status.proof_methods(named)
        readme = parsed["README"]
        updated = status.with_table(readme.text, status.table(parsed, methods))
    except (
        pages.PageError,
        random_instances.Counterexample,
        prove.Unproved,
        Undefined,
    ) as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - start
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(methods.values()).items())
    print(f"{len(named)} equations in {seconds:.1f} s: {kinds}")
    if updated != readme.text:
        if not arguments.write:
            print("the status table in README.md is outdated; run with --write", file=sys.stderr)
            return 1
        readme.path.write_text(updated, encoding="utf-8")
        print("updated the status table in README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
