"""Every mistake in --ddpm-impl is refused in one sentence that names the remedy."""

import sys

import pytest

from ddpm_core.plugin.adapter import Adapters, check_attributes, load

GOOD = "class Good:\n    name, unit_roundoff = 'good', 2.0**-53\n"
MODULES = {
    "good": GOOD + "instance = Good()\n",
    "inner": "import nothing_here",
    "syntax": "x = (",
    "exits": "import sys; sys.exit('no licence')",
    "skips": "import pytest; pytest.skip('no GPU', allow_module_level=True)",
    "raises": "class Raises:\n    def __init__(self):\n        raise OSError('no\\nweights')\n",
    "lazy": "def __getattr__(name):\n    raise ImportError('libcuda')\n",
    "property": "class P:\n    @property\n    def name(self):\n        return 1 / 0\n",
    "nameless": "class Nameless:\n    unit_roundoff = 2.0**-53\n",
    "factory": GOOD
    + "def both(T):\n    if T > 2:\n        raise ValueError('T')\n    return Good()\n"
    + "both.options = {'few': {'T': 1}, 'many': {'T': 3}}\n"
    + "def one(T):\n    return Good()\none.options = {'few': {'T': 1}}\n"
    + "def bare():\n    return Good()\n"
    + "def empty():\n    pass\nempty.options = {}\n"
    + "def listed():\n    pass\nlisted.options = ['few']\n"
    + "def place():\n    pass\nplace.options = {'../few': {}}\n"
    + "def above():\n    pass\nabove.options = {'..': {}, 'few': {}}\n"
    + "def long():\n    pass\nlong.options = {'a' * 101: {}}\n"
    + "def nothing():\n    pass\n",
    "coarse": "class Coarse:\n    name, unit_roundoff = 'c', 1.0\n",
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write the modules into a folder on Python's path."""
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name, None)


def refusal(name: str) -> str:
    with pytest.raises(pytest.UsageError) as refused:
        load(name)
    (sentence,) = refused.value.args
    assert "\n" not in sentence
    assert sentence.startswith(f"--ddpm-impl {name}: ")
    return sentence.removeprefix(f"--ddpm-impl {name}: ")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("good", "write a module, a colon and an adapter in it, as in mypackage.adapter:"),
        ("good:", "write a module, a colon and an adapter in it, as in mypackage.adapter:"),
        (":Good", "write a module, a colon and an adapter in it, as in mypackage.adapter:"),
        ("good:God", "module good has no attribute God. Did you mean Good?"),
        ("json.nothing:X", "json has no module nothing"),
        ("inner:X", "importing inner raised ModuleNotFoundError: No module named 'nothing_here' ("),
        ("inner:X", "inner.py, line 1)"),
        ("syntax:X", "importing syntax raised SyntaxError: '(' was never closed (syntax.py, line"),
        ("exits:X", "importing exits raised SystemExit: no licence ("),
        ("skips:X", "importing skips raised Skipped: no GPU ("),
        ("raises:Raises", "Raises() raised OSError: no weights ("),
        ("raises:Raises", "raises.py, line 3)"),
        ("good.py:Good", "write the name of a module, good, in place of its file"),
        ("./a/good.py:Good", "write the name of a module, a.good, in place of its file"),
        ("lazy:X", "lazy.X raised ImportError: libcuda ("),
        ("property:P", "reading its name and unit_roundoff raised ZeroDivisionError: division by"),
        ("nameless:Nameless", "name = None must be a string"),
        ("factory:both", "both with the options many raised ValueError: T ("),
        ("factory:both[man]", "both has no options man. Did you mean many?"),
        ("factory:both[many", "module factory has no attribute both[many"),
        ("factory:bare[few]", "bare has no table of options"),
        ("factory:Good[few]", "Good has no table of options"),
        ("factory:empty", "empty.options must be {name: {argument: value}}"),
        ("factory:listed", "listed.options must be {name: {argument: value}}"),
        ("factory:place", "place.options has the name '../few'; use 1 to 100 letters, digits and"),
        ("factory:above", "above.options has the name '..'; use 1 to 100 letters, digits and any"),
        ("factory:long", "and any of . , = + - _, and not dots alone"),
        ("factory:nothing", "the adapter is None. Return it at the end of the function"),
        ("/else/where.py:Good", "write the name of a module, such as where, in place of its file"),
        ("coarse:Coarse", "unit_roundoff = 1.0 is outside 2**-113..2**-8. Use that of the"),
    ],
)
def test_mistake_is_one_sentence(modules, name, says):
    assert says in refusal(name)


def test_module_in_a_folder_that_is_not_on_the_path_is_found_for_the_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    absent = refusal("unfound.adapter:X")
    assert absent == (
        "no module unfound is installed or on Python's path. Put PYTHONPATH=FOLDER before the "
        "command, with the folder that contains unfound"
    )
    (tmp_path / "src" / "unfound").mkdir(parents=True)
    assert "unfound is there, but src is not on Python's path. Put PYTHONPATH=src before" in (
        refusal("unfound.adapter:X")
    )
    assert refusal(f"{tmp_path}/src/unfound.py:X") == (
        "write the name of a module, src.unfound, in place of its file"
    )
    (tmp_path / "unfound.py").touch()
    assert refusal("unfound.adapter:X") == (
        "unfound.py is there, but the current folder is not on Python's path. Put PYTHONPATH=. "
        "before the command or use python -m pytest"
    )


def test_chosen_adapter_is_loaded_once_and_the_default_only_without_one(modules):
    chosen = Adapters("good:Good")
    assert chosen.load("nowhere:Thing") is chosen.load("nowhere:Thing")
    assert Adapters(None).load("good:instance")[""].name == "good"
    assert Adapters("good:instance").load("")[""].name == "good"


def test_factory_makes_an_adapter_for_each_of_its_options(modules):
    """One alone has no name, so that its checks have the names of any other adapter."""
    source = (
        "class Sized:\n    options = {'2': {'T': 2}, '3': {'T': 3}}\n    unit_roundoff = 2.0**-53"
    )
    source += "\n    def __init__(self, T):\n        self.name = f'sized {T}'\n"
    (modules / "good.py").write_text(source, encoding="utf-8")
    assert {key: each.name for key, each in load("good:Sized").items()} == {
        "2": "sized 2",
        "3": "sized 3",
    }
    assert [(key, each.name) for key, each in load("good:Sized[3]").items()] == [("", "sized 3")]
    assert [*load("factory:bare"), *load("factory:one")] == ["", ""]


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({}, "name = None must be a string"),
        ({"name": "a", "unit_roundoff": 1.0}, "unit_roundoff = 1.0 is outside"),
        ({"name": "a", "unit_roundoff": float("nan")}, "unit_roundoff = nan is outside"),
        ({"name": "a"}, "unit_roundoff = None is outside"),
    ],
)
def test_adapter_without_name_or_valid_precision_is_refused(attributes, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        check_attributes(type("Adapter", (), attributes)())
    check_attributes(type("Adapter", (), {"name": "a", "unit_roundoff": 2.0**-24})())
