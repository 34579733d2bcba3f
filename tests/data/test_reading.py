"""The line and the list of what was left out of a folder."""

from ddpm_core.data.reading import HIDDEN, UNREADABLE, Reading, listed


def test_the_line_names_the_first_files_of_each_reason():
    names = tuple(f"{i}.jpg" for i in range(5))
    reading = Reading("folder:pictures", 1200, {UNREADABLE: names, HIDDEN: (".DS_Store",)})
    assert reading.line == (
        "folder:pictures: 1,200 images used, skipped 6: 5 unreadable (0.jpg, 1.jpg, 2.jpg, and 2 "
        "more); 1 hidden (.DS_Store)"
    )
    assert Reading("folder:x", 3).line == "folder:x: 3 images used, no file skipped"


def test_remarks_are_the_line_of_a_folder_and_every_note():
    assert Reading("folder:x", 3, {}, ("first", "second")).remarks == [
        "folder:x: 3 images used, no file skipped",
        "NOTE: first",
        "NOTE: second",
    ]
    warned = Reading("", 3, {}, ("only",), ("DATA CHANGED",))
    assert warned.remarks == ["NOTE: only", "DATA CHANGED"]
    assert Reading().remarks == []


def test_the_list_has_the_first_hundred_names_and_counts_all():
    names = tuple(map(str, range(250)))
    assert Reading("folder:x", 3, {HIDDEN: names}, ("note",), ("w",)).to_json() == {
        "used": 3,
        "skipped": {HIDDEN: {"files": 250, "first": list(names[:100])}},
        "notes": ["note"],
        "warnings": ["w"],
    }


def test_listed_says_how_many_more():
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c"], 2) == "a, b, and 1 more"
