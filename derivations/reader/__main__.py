"""Write the pages as a site that shows each equation beside its code and its tests."""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from ..checker.equations import PageError
from .outcomes import ReportError
from .site import Site


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m derivations.reader", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("site"), help="the folder to write (default: %(default)s)"
    )
    parser.add_argument(
        "--report",
        type=Path,
        help="the folder that pytest property_tests wrote (default: verification, if it exists)",
    )
    arguments = parser.parse_args()
    report = (arguments.report or Path("verification")) / "report.json"
    if arguments.report and not report.is_file():
        parser.error(
            f"--report {arguments.report}: there is no {report}. Run pytest property_tests"
        )
    start = time.monotonic()
    try:
        site = Site(report)
        size = site.write(arguments.out)
    except (PageError, ReportError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    colours = Counter(each.colour for each in site.panes.of.values())
    counts = ", ".join(f"{colours[each]} {each}" for each in ("green", "red", "amber", "none"))
    print(site.panes.run.headline)
    print(
        f"{arguments.out / 'index.html'}: {len(site.order)} pages, {colours.total()} equations "
        f"({counts}), {size / 1e6:.1f} MB in {time.monotonic() - start:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
