"""The page of findings: short programs, and a command that tells what is mended."""

from property_tests import findings as command
from property_tests.findings import PAGE, Finding, findings, repeat

PAGE_TEXT = PAGE.read_text(encoding="utf-8")


def test_every_section_has_a_program_of_at_most_ten_lines_and_its_facts():
    found = findings(PAGE_TEXT)
    assert len(found) == PAGE_TEXT.count("\n## ") > 3
    for each in found:
        assert len(each.program.splitlines()) <= 10, each.title
        assert "measured, wrong = " in each.program, each.title
        compile(each.program, each.title, "exec")
    for word in ("Measured with: ", "Where: ", "Reported: ", "To file: ", "The check is"):
        assert " ".join(PAGE_TEXT.split()).count(word.strip()) >= len(found), word


def test_defects_are_repeated_mended_or_not_tried():
    wrong = Finding("numpy", "ones", "measured, wrong = 2, 1 + 1 == 2")
    assert repeat(wrong)[0].endswith(": still there: ones (measured 2)")
    assert ": mended: ones" in repeat(wrong._replace(program="measured, wrong = 3, False"))[0]
    line, failed = repeat(wrong._replace(program="1 / 0"))
    assert failed
    assert line.endswith("the program failed: ones: ZeroDivisionError: division by zero")
    line, failed = repeat(wrong._replace(package="no-such-package"))
    assert (line, failed) == ("no-such-package: not installed, so not tried: ones", False)


def test_command_fails_only_if_a_program_does(monkeypatch, capsys):
    one = [Finding("no-such-package", "ones", "")]
    monkeypatch.setattr(command, "findings", lambda page: one)
    assert command.main([]) == 0
    assert capsys.readouterr().out == "no-such-package: not installed, so not tried: ones\n"
    one[0] = Finding("numpy", "ones", "1 / 0")
    assert command.main([]) == 1


def test_dependencies_that_a_program_does_not_use_are_replaced():
    """Those of the adapter of a release that it imports, but not of other modules."""
    program = "import torch\nfrom monai.networks import schedulers\n"
    assert command._stand_ins(program) == "import property_tests.adapters.monai\n"
    assert command._stand_ins("from diffusers_of_mine import x\nimport torch\n") == ""
