"""A mistake ends in one sentence and exit code 4, in a checkout with and without xdist.

tests/test_readme.py makes the same mistakes with an installed wheel.
"""

import sys
from pathlib import Path

from tests.plugin.routes import check_refusals

ROOT = Path(__file__).resolve().parents[2]


def test_every_mistake_in_a_checkout_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    check_refusals(sys.executable, tmp_path, [f"--rootdir={ROOT}", str(ROOT / "property_tests")])
