"""The site of the derivations: its contents, its links, and what stops the build."""

import re
import shutil
from collections.abc import Mapping
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from derivations.checker import verified_core
from derivations.checker.equations import Equation, PageError
from derivations.checker.links import anchor
from derivations.checker.pages import HERE
from derivations.reader import __main__ as command
from derivations.reader.panes import PROOFS
from derivations.reader.site import LIST, Site

Named = Mapping[str, Equation]
NO_REPORT = Path("there") / "is none"


class Page(HTMLParser):
    """Anchors and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places, self.links = set[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value for key, value in attrs if value}
        self.places.update(given[key] for key in ("id",) if key in given)
        self.links.extend(given[key] for key in ("href", "src") if key in given)


@pytest.fixture(scope="module")
def site() -> Site:
    return Site(NO_REPORT)


@pytest.fixture(scope="module")
def folder(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("reader") / "site"
    site.write(where)
    return where


def dead_links(folder: Path) -> list[str]:
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            file, _, place = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            there = target in pages and (not place or place in pages[target].places)
            if not link.startswith("data:") and not there and (place or not target.is_file()):
                dead.append(f"{path.relative_to(folder)}: {link}")
    return dead


def test_every_link_resolves(folder: Path):
    assert not dead_links(folder)


@pytest.mark.parametrize("link", ["nowhere.html", "#nowhere", "posterior.html#nowhere"])
def test_a_dead_link_is_reported(folder: Path, tmp_path: Path, link: str):
    shutil.copytree(folder, tmp_path / "site")
    with (tmp_path / "site" / "ema.html").open("a") as page:
        page.write(f'<a href="{link}">')
    assert dead_links(tmp_path / "site") == [f"ema.html: {link}"]


def test_the_site_needs_no_network_and_no_script(folder: Path):
    for path in [*folder.rglob("*.html"), *folder.rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text
        assert not re.search(r"(src|href)=\"https?:|url\(https?:|@import", text), path


def test_each_equation_is_shown_beside_its_code_and_its_tests(folder: Path):
    text = (folder / "posterior.html").read_text(encoding="utf-8")
    row = next(each for each in text.split("<section") if 'id="posteriormean"' in each)
    source = (HERE.parent / "ddpm_core/posterior.py").read_text(encoding="utf-8")
    place = source[: source.index("def q_posterior")].count("\n") + 1
    assert f'href="code/ddpm_core.posterior.html#L{place}">q_posterior' in row
    assert "test_mean_and_variance_match_bayes" in row
    assert "coef_x0" in re.sub(r"<[^>]*>", "", row)
    assert 'Eq. <a href="posterior.html#posteriormean">posterior.mean</a>' in text
    assert re.search(r'class="dot none"', row)  # of a run there is no report


def test_every_equation_shows_its_formula_and_its_dependencies(folder: Path, site: Site):
    """KaTeX keeps the text of a formula in its MathML; arcs are the rows Uses, read both ways."""
    arcs = set(
        re.findall(r'data-from="(.+?)" data-to="(.+?)"', (folder / "graph.html").read_text())
    )
    assert arcs == {(used, name) for name, each in site.panes.named.items() for used in each.uses}
    for name, equation in site.panes.named.items():
        page = (folder / f"{equation.formula.page.stem}.html").read_text(encoding="utf-8")
        own = page.split(f'<h3 id="{anchor(name)}">')[1].split("<section")[0]
        source = re.search(
            r'<annotation encoding="application/x-tex">(.*?)</annotation>', own, re.S
        )
        assert source is not None
        assert " ".join(unescape(source[1]).split()) == " ".join(equation.formula.text.split())
        users = re.search(r"<dt>Used by</dt><dd>(.*?)</dd>", own)
        assert users is not None
        links = set(re.findall(r'\w+\.html#[^"]*">([^<]*)</a>', users[1])) - {"graph"}
        assert links == {user for used, user in arcs if used == name}
        proof = re.search(rf"^\| \[{re.escape(name)}\].*?\| (\w+) \|", readme(), re.M)
        assert proof is not None
        assert f"<dt>Proved</dt><dd>{PROOFS[proof[1]]}</dd>" in own


def readme() -> str:
    return (HERE / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("stem", verified_core.modules())
def test_the_code_has_links_back_to_the_pages(folder: Path, stem: str):
    """Every file of the core has one; another test checks every public function."""
    page = (folder / "code" / f"ddpm_core.{stem.replace('/', '.')}.html").read_text("utf-8")
    assert re.search(r'<a href="\.\./\w+\.html#[\w-]+">[a-z-]+\.[a-z0-9-]+</a>', page)


# --- what stops the build -------------------------------------------------------------------------

PROSE = r"\mathbb{E}"


@pytest.mark.parametrize(
    ("page", "old", "new", "message"),
    [
        (
            "posterior.md",
            "`ddpm_core.posterior:q_posterior`",
            "`ddpm_core.posterior:gone`",
            r"posterior\.md:\d+:\d+: posterior\.var: `ddpm_core\.posterior:gone` names nothing",
        ),
        (
            "posterior.md",
            "schedules.md#schedulesone-minus-split",
            "schedules.md#gone",
            r"posterior\.md:\d+:\d+: schedules\.md has no heading with the anchor #gone",
        ),
        (
            "posterior.md",
            "images/posterior.svg",
            "images/gone.svg",
            r"posterior\.md:\d+:\d+: there is no file images/gone\.svg",
        ),
        (
            "losses.md",
            PROSE,
            r"\mathbbb{E}",
            r"losses\.md:\d+:\d+: KaTeX refuses .*: Undefined control sequence: \\mathbbb",
        ),
        ("README.md", "[Losses](losses.md)", "Losses", r"the reading order leaves out losses\.md"),
    ],
)
def test_a_bad_page_stops_the_build(tmp_path: Path, page: str, old: str, new: str, message: str):
    pages = tmp_path / "derivations"
    shutil.copytree(HERE, pages, ignore=shutil.ignore_patterns("*.py", "reader", "__pycache__"))
    text = (pages / page).read_text(encoding="utf-8")
    assert old in text
    (pages / page).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PageError, match=message):
        Site(NO_REPORT, pages)


def test_pages_follow_each_other_in_reading_order(folder: Path):
    page = (folder / "posterior.html").read_text(encoding="utf-8")
    assert '<a rel="prev" href="forward_process.html">' in page
    assert '<a rel="next" href="parameterization.html">' in page


@pytest.mark.parametrize(
    "unlisted",
    ["thesis.txt", ".git", "CNAME", "images/photo.jpg", "code/thesis.py", "code/a/b.html"],
)
def test_files_that_are_not_part_of_the_site_are_never_removed(
    folder: Path, site: Site, unlisted: str
):
    (folder / unlisted).parent.mkdir(exist_ok=True)
    (folder / unlisted).write_text("years of work")
    with pytest.raises(FileExistsError, match=f"{unlisted} is not a file of this site"):
        site.write(folder)
    assert (folder / unlisted).read_text() == "years of work"
    (folder / unlisted).unlink()


def test_a_folder_that_only_looks_like_a_site_is_unchanged(tmp_path: Path, site: Site):
    """Its file names are those of a site, but it has no list of the site's files."""
    (tmp_path / "images").mkdir()
    for name in ("index.html", "style.css", "images/photo.jpg"):
        (tmp_path / name).write_text("years of work")
    with pytest.raises(FileExistsError, match="is not a file of this site"):
        site.write(tmp_path)
    for name in ("index.html", "style.css", "images/photo.jpg"):
        assert (tmp_path / name).read_text() == "years of work"


def test_files_that_the_new_site_lacks_are_removed(folder: Path, site: Site):
    (folder / "code" / "gone.html").write_text("of an older checkout")
    with (folder / LIST).open("a") as listed:
        listed.write("\ncode/gone.html")
    site.write(folder)
    assert not (folder / "code" / "gone.html").exists()


def test_a_symbolic_link_is_followed_unless_it_is_broken(tmp_path: Path, site: Site):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    site.write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "index.html").is_file()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileExistsError, match="loop is not a file of this site"):
        site.write(tmp_path / "loop")


def test_a_failed_replacement_keeps_the_old_site(
    folder: Path, site: Site, monkeypatch: pytest.MonkeyPatch
):
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="no space left"):
        site.write(folder)
    assert (folder / "index.html").is_file()
    assert list(folder.parent.iterdir()) == [folder]


def test_the_command_replaces_the_site_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "site"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["reader", "--out", str(out)])
    assert command.main() == 0
    (out / "index.html").write_text("old")
    assert command.main() == 0
    assert (out / "index.html").read_text() != "old"
    assert [each.name for each in tmp_path.iterdir()] == ["site"]
    assert "There is no report of the suite" in capsys.readouterr().out
    (out / "thesis.txt").touch()
    assert command.main() == 1
    assert "is not a file of this site, so nothing was changed" in capsys.readouterr().err
    assert (out / "index.html").is_file()


@pytest.mark.parametrize("folder", ["mistyped", "file"])
def test_a_missing_report_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: str,
):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["reader", "--out", "site", "--report", folder])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 2
    assert f"--report {folder}: there is no {folder}/report.json" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_anchors_are_those_of_github():
    assert anchor("posterior.mean-of-noise") == "posteriormean-of-noise"
