"""--junitxml: class names begin with the adapter's name, and no row of evidence is in the file."""

from xml.etree import ElementTree

import pytest

pytest_plugins = ("pytester",)

CONFTEST = """
import pytest
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.name != "test_foreign":
        row = {"suite": "small", "implementation": "mine"}
        report.ddpm_evidence = {**row, "check": f"{item.path.name}::{item.name}"}
    return report
"""
TESTS = """
import pytest
def test_passes(): pass
def test_fails(): assert False
def test_skips(): pytest.skip("not offered: q_step")
def test_foreign(): pass
"""
ENDING = """
def end(rows, option, status, failed):
    return sorted(f"{row['check']} {row['outcome']}" for row in rows.values()), status
"""


@pytest.mark.parametrize("options", [[], ["-n1"]])
def test_class_name_begins_with_the_adapter_and_no_row_is_a_property(pytester, options):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(**{"small/__init__": "", "small/evidence/__init__": ""})
    pytester.makepyfile(**{"small/evidence/ending": ENDING})
    pytester.makepyfile(test_small=TESTS)
    pytester.syspathinsert()
    done = pytester.runpytest_inprocess("--junitxml=junit.xml", *options)
    done.stdout.fnmatch_lines(["test_small.py::test_fails failed", "*::test_passes passed*"])
    file = ElementTree.parse(pytester.path / "junit.xml")
    assert not list(file.iter("property"))
    classes = {each.get("name"): each.get("classname") for each in file.iter("testcase")}
    ours = dict.fromkeys(("test_passes", "test_fails", "test_skips"), "mine.small.test_small")
    assert classes == {**ours, "test_foreign": "test_small"}
