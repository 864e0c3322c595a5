"""Which image belongs to which YOLO text file, in the layouts that are in use."""

from pathlib import Path

from shiftgauge.data.folder import files_below
from shiftgauge.errors import DataError

_OTHER_TEXTS = frozenset(("classes.txt", "notes.txt", "readme.txt"))


def part_folders(root: Path, part: str, images: str, labels: str) -> tuple[Path, Path]:
    """Returns the folders of the images and of the text files of one part.

    They are `root/part/images` and `root/part/labels`, or `root/images/part` and `root/labels/part` where those are
    there and the first are not.

    Args:
        root: The folder of the data set.
        part: Folder of a part, such as train; "" where there are no parts.
        images: Folder of the images.
        labels: Folder of the text files.

    Raises:
        DataError: There are images of the part in both layouts.
    """
    outer, inner = root / part / images, root / images / part
    if part and outer.is_dir() and inner.is_dir():
        raise DataError(f"there are both {outer} and {inner}; keep the images of `{part}` in one of them")
    if part and inner.is_dir() and not outer.is_dir():
        return inner, root / labels / part
    return outer, root / part / labels


def paired(images: Path, labels: Path) -> list[tuple[Path, Path | None]]:
    """Lists the images of a folder with their text files, None where there is none.

    Args:
        images: Folder of the images; files may lie deeper.
        labels: Folder of the text files, with the same names and sub-folders.

    Raises:
        DataError: A folder is missing, holds no image or no text file; several images have one text file; or a text
            file has no image.
    """
    for folder in (images.parent, images, labels):
        if not folder.is_dir():
            raise DataError(f"YOLO folder {folder} " + ("is not a folder" if folder.exists() else "does not exist"))
    pictures = [f for f in files_below(images) if f.suffix.lower() != ".txt"]
    if not pictures:
        raise DataError(f"YOLO folder {images} holds no images")
    stems = [_stem(f, images) for f in pictures]
    texts = label_files(labels, set(stems))
    if not texts:
        raise DataError(
            f"YOLO folder {labels} holds no label file (.txt), so that every image would count as one without a "
            "defect; check the folder, and if that is meant, add an empty text file for one image"
        )
    twice = next((stem for stem in set(stems) if stem in texts and stems.count(stem) > 1), None)
    if twice is not None:
        raise DataError(f"{images} holds several images `{twice}` for one label file; keep one of them")
    orphans = sorted(set(texts) - set(stems))
    if orphans:
        raise DataError(f"{len(orphans)} label file(s) have no image, e.g. {texts[orphans[0]]}; add it or remove them")
    return [(image, texts.get(stem)) for image, stem in zip(pictures, stems, strict=True)]


def label_files(labels: Path, stems: set[str]) -> dict[str, Path]:
    """Returns the text files of a folder by their path without suffix.

    Files called `classes.txt`, `notes.txt` and `readme.txt` are left out unless an image has that name.

    Args:
        labels: Folder of the text files.
        stems: Paths of the images without suffix.
    """
    found = {_stem(f, labels): f for f in files_below(labels) if f.suffix.lower() == ".txt"}
    return {stem: f for stem, f in found.items() if stem in stems or f.name.lower() not in _OTHER_TEXTS}


def _stem(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()
