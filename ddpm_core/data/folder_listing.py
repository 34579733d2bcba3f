"""List a folder of images: classes, splits, and the files that are left out."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from ddpm_core.data.own_files import is_own
from ddpm_core.data.reading import BROKEN_LINK, FORMAT, HIDDEN, NOT_AN_IMAGE, OWN, UNREADABLE

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff"),
    *(".apng", ".jpe", ".dib"),
)
# Images that are not read. Others are recognised by their content.
UNSUPPORTED = (
    *(".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".exr", ".hdr"),
    *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw"),
)
# Files that often lie beside images, and are not opened.
TEXTS = (".txt", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".md", ".html", ".py")

TRAIN, VALIDATION, TEST = range(3)
ROLES = {
    **dict.fromkeys(("train", "training", "trainset"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "valset", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "testset"), TEST),
}


@dataclass
class Listing:
    """Image files of a folder, sorted by path, and what else the folder holds."""

    files: list[Path]
    labels: Int64[np.ndarray, " n"] | None = None
    class_names: tuple[str, ...] = ()
    parts: Int64[np.ndarray, " n"] | None = None  # TRAIN, VALIDATION or TEST, of split folders
    skipped: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)


def list_folder(folder: Path) -> Listing:
    """List the images in a folder and, at any depth, in its sub-folders.

    Images are in the folder itself, in one sub-folder per class, or in sub-folders train, val and
    test that are either. Deeper folders belong to the class above them. Raises ValueError for a
    folder without images or of ambiguous structure.
    """
    found = Listing([])
    found.files = sorted(_walk(folder, found.skipped, ()))
    if not found.files:
        nothing = "; ".join(f"{len(each)} {reason}" for reason, each in found.skipped.items())
        raise ValueError(
            f"{folder} contains no images: searched it and its sub-folders for "
            f"{', '.join(ENDINGS)}{f' (skipped: {nothing})' if nothing else ''}. Put the images "
            "there, or pass the folder that contains them"
        )
    inside = _without_wrappers(folder, found.files)
    if inside != folder:
        found.notes.append(f"the images are in the folders of {inside.relative_to(folder)}")
    roles = _roles(inside, found.files)
    if roles:
        _split(inside, found, roles)
    else:
        _check_mixture(inside, found.files)
        _check_empty(inside, found)
        found.class_names, found.labels = _classes([_names(inside, file) for file in found.files])
        deep = [file for file in found.files if len(file.relative_to(inside).parts) > 2]
        if deep:
            found.notes.append(
                f"{len(deep):,} images in deeper folders, such as {deep[0].relative_to(folder)}, "
                "have the class of the folder at the top"
            )
    return found


def _walk(folder: Path, skipped: dict[str, list[Path]], above: tuple[Path, ...]) -> list[Path]:
    """Return the image files at any depth; a link to a folder above is not followed."""
    real = folder.resolve()
    if real in above:
        skipped[NOT_AN_IMAGE].append(folder)
        return []
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        skipped[UNREADABLE].append(folder)
        return []
    files = []
    for path in entries:
        reason = _reason(path)
        if reason:
            skipped[reason].append(path)
        elif path.is_dir():
            files += _walk(path, skipped, (*above, real))
        else:
            files.append(path)
    return files


def _reason(path: Path) -> str | None:
    """Return why a file or folder is left out, or None for an image or a folder to be read."""
    if path.name.startswith(".") or path.name == "__MACOSX":
        return HIDDEN
    if is_own(path):
        return OWN
    if path.is_dir():
        return None
    if path.is_symlink() and not path.exists():
        return BROKEN_LINK
    if not path.is_file():
        return NOT_AN_IMAGE
    ending = path.suffix.lower()
    if ending in ENDINGS:
        return None
    return FORMAT if ending in UNSUPPORTED or _opens_as_image(path) else NOT_AN_IMAGE


def _opens_as_image(path: Path) -> bool:
    from PIL import Image

    if path.suffix.lower() in TEXTS:
        return False
    try:
        with Image.open(path):
            return True
    except Exception:  # Pillow's decoders raise many types
        return False


# --- structure ------------------------------------------------------------------------------------


def _names(inside: Path, file: Path) -> str | None:
    """Return the folder at the top that a file is in, or None for a file in `inside` itself."""
    parts = file.relative_to(inside).parts
    return parts[0] if len(parts) > 1 else None


def _without_wrappers(folder: Path, files: list[Path]) -> Path:
    """Follow folders that hold nothing but one folder of folders of images."""
    tops = {_names(folder, file) for file in files}
    if len(tops) == 1 and None not in tops:
        inner = folder / str(tops.pop())
        names = {_names(inner, file) for file in files}
        deeper = _without_wrappers(inner, files)
        if deeper != inner or (None not in names and len(names) > 1):
            return deeper
    return folder


def _roles(inside: Path, files: list[Path]) -> dict[str, int]:
    """Return {folder: part of the split}, or {} where folders are classes.

    A class may be called train: only folders of which each is a part, and one is for training, are
    splits.
    """
    tops = {name for file in files if (name := _names(inside, file)) is not None}
    roles = {name: role for name in sorted(tops) if (role := _role(name)) is not None}
    roles = dict(sorted(roles.items(), key=lambda each: each[1]))
    direct = any(_names(inside, file) is None for file in files)
    if TRAIN not in roles.values():
        if set(roles.values()) == {VALIDATION, TEST} and len(roles) == len(tops):
            raise ValueError(
                f"{inside} has the splits {', '.join(roles)} but none for training. Add a folder "
                "train, or rename the folders if they are classes"
            )
        return {}
    if len(roles) == len(tops) and not direct:
        return roles
    if len(set(roles.values())) > 1:
        other = "images" if direct else sorted(tops - roles.keys())[0]
        raise ValueError(
            f"{inside} holds {', '.join(roles)}, which look like splits, and {other}. Move the "
            "others away, or rename the splits if they are classes"
        )
    return {}


def _role(name: str) -> int | None:
    """Return the part of the split that a folder's name says, such as train2017 or seg_train."""
    words = re.split("[^a-z]+", name.casefold())
    found = {ROLES[word] for word in words if word in ROLES}
    return found.pop() if len(found) == 1 else None


def _split(inside: Path, found: Listing, roles: dict[str, int]) -> None:
    """Set parts, labels and class names of split folders."""
    names: dict[str, list[str | None]] = {name: [] for name in roles}
    every, parts = [], []
    for file in found.files:
        top = str(_names(inside, file))
        names[top].append(_names(inside / top, file))
        every.append(names[top][-1])
        parts.append(roles[top])
    kinds = {top: {each is None for each in below} for top, below in names.items()}
    if len(set().union(*kinds.values())) > 1:
        plain = next(top for top, kind in kinds.items() if True in kind)
        raise ValueError(
            f"{inside / plain} has images outside of class folders, but other images of {inside} "
            "are in class folders. Move all images into class folders, or none"
        )
    found.class_names, found.labels = _classes(every)
    found.parts = np.array(parts, np.int64)
    missing = [
        f"{what} images are taken from those for training"
        for role, what in ((VALIDATION, "validation"), (TEST, "test"))
        if role not in roles.values()
    ]
    found.notes.append("; ".join([f"the folders {', '.join(roles)} are splits", *missing]))


def _classes(names: list[str | None]) -> tuple[tuple[str, ...], Int64[np.ndarray, " n"] | None]:
    """Return the class names and the label of each image; without classes () and None."""
    class_names = tuple(sorted({each for each in names if each is not None}))
    if not class_names:
        return (), None
    index = {name: i for i, name in enumerate(class_names)}
    return class_names, np.array([index[str(each)] for each in names], np.int64)


def _check_mixture(inside: Path, files: list[Path]) -> None:
    direct = [file for file in files if _names(inside, file) is None]
    within = [file for file in files if _names(inside, file) is not None]
    if direct and within:
        raise ValueError(
            f"{inside} mixes images and class folders, such as {direct[0].name} and "
            f"{within[0].relative_to(inside)}. Move all images into class folders, or none"
        )


def _check_empty(inside: Path, found: Listing) -> None:
    """Refuse a class folder without an image; hidden files and our own are no reason."""
    tops = {_names(inside, file) for file in found.files}
    if None in tops:
        return
    known = [each for reason in (HIDDEN, OWN) for each in found.skipped.get(reason, [])]
    known_tops = {_names(inside, each) for each in known if each.is_relative_to(inside)}
    for path in sorted(inside.iterdir()):
        if path.is_dir() and path not in known and path.name not in tops | known_tops:
            raise ValueError(
                f"{path} is a class folder but contains no {', '.join(ENDINGS)}. Add images or "
                "remove it"
            )
