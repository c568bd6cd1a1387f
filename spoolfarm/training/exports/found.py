"""Found labels: which file or files in a folder have them, which tool wrote these, and where the pictures are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoolfarm.errors import FarmError
from spoolfarm.training.exports import answers, cvat, label_studio, labelme, via, yolo
from spoolfarm.training.exports.drawn import Drawn

#: The folder of labels in many exports, and the file of each part of Roboflow's.
ANNOTATIONS, ROBOFLOW = "annotations", "_annotations.coco.json"
#: The lists that a COCO file has.
PARTS = ("images", "annotations", "categories")
#: What the names of parameter files of the hot folder end in.
PARAMS = ".params.json"


@dataclass(frozen=True)
class Found:
    """Labels: the file, or the folder of files, that has them, the folder of the pictures, and COCO's lists."""

    path: Path
    folder: Path
    content: dict[str, Any]


def find(path: Path) -> Found:
    """The labels that *path*, a file or a folder, has. Raises FarmError, which names it, where they make no sense."""
    try:
        return _find(path)
    except FarmError as error:
        if str(error).startswith(str(path)):
            raise
        raise FarmError(f"{path}: {error}", hint=error.hint) from error


def _find(path: Path) -> Found:
    if path.is_file():
        folder = path.parent.parent if path.parent.name == ANNOTATIONS else path.parent
        return _file(path, folder)
    if not path.is_dir():
        raise FarmError(f"{path} is no folder")
    if (path / answers.MARK).is_file():
        return _several(path, sorted(path.rglob("*.json")))
    files = [each for each in (*path.glob("*"), *path.glob(f"{ANNOTATIONS}/*")) if each.suffix.lower() in _READ]
    json_files = sorted(each for each in files if each.suffix.lower() == ".json")
    if len(json_files) == 1:
        return _file(json_files[0], path)
    if json_files:
        return _several(path, json_files)
    if parts := sorted(path.glob(f"*/{ROBOFLOW}")):
        return Found(path, path, _joined(parts))
    if names := yolo.file_of(path):
        return _file(names, path)
    if len(files) == 1:
        return _file(files[0], path)
    if below := sorted(path.glob("*/*.json")):
        return _several(path, below)
    hint = (
        "put one COCO file, such as annotations.json, beside the pictures, or the files of another tool: docs/model.md"
    )
    raise FarmError(f"{path} has no file of labels", hint=hint)


def _file(path: Path, folder: Path) -> Found:
    """What one file says."""
    read = _READ.get(path.suffix.lower())
    if read is None:
        hint = "unpack it first" if path.suffix.lower() == ".zip" else "docs/model.md says which files are read"
        raise FarmError(f"{path} is no file of labels that is known", hint=hint)
    return Found(path, answers.pictures(folder), read(path, folder))


def _several(path: Path, files: Sequence[Path]) -> Found:
    """What the files of single pictures say, of LabelMe or of the farm. Raises FarmError for any others."""
    drawn = Drawn()
    for file in (each for each in files if not each.name.endswith(PARAMS)):
        name, said = file.relative_to(path).as_posix(), _json(file)
        if labelme.is_labelme(said):
            labelme.add(drawn, said, name)
        elif answers.is_answer(said):
            answers.add(drawn, said, name, answers.picture_name(file, said, path))
        elif not (isinstance(said, dict) and said.get("status") in ("failed", "cancelled")):
            names = ", ".join(str(each.relative_to(path)) for each in files[:3])
            hint = f"name the one that is meant: --data {file}"
            raise FarmError(f"{path} has {len(files)} JSON files of labels where one is needed: {names}", hint=hint)
    return Found(path, answers.pictures(path), drawn.content())


def _joined(parts: Sequence[Path]) -> dict[str, Any]:
    """The parts of Roboflow's export, each a folder with pictures and labels, as one data set."""
    whole: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    for part in parts:
        said = _coco(part, _json(part))
        folder = part.parent.name
        whole["categories"] += [each for each in said["categories"] if each not in whole["categories"]]
        whole["images"] += [
            {**each, "id": f"{folder}/{each.get('id')}", "file_name": f"{folder}/{each.get('file_name')}"}
            for each in said["images"]
        ]
        whole["annotations"] += [
            {**each, "image_id": f"{folder}/{each.get('image_id')}"} for each in said["annotations"]
        ]
    return whole


def _coco(path: Path, said: Any) -> dict[str, Any]:
    """COCO's lists, without the category that Roboflow writes for all others together."""
    if not isinstance(said, dict) or not all(isinstance(said.get(part), list) for part in PARTS):
        raise FarmError(f"{path} is no COCO file: it needs the lists {', '.join(PARTS)}")
    used = {
        each.get("category_id")
        for each in said["annotations"]
        if isinstance(each, dict) and not isinstance(each.get("category_id"), (dict, list))
    }
    above = {
        each.get("supercategory")
        for each in said["categories"]
        if isinstance(each, dict) and isinstance(each.get("supercategory"), str)
    }
    kept = [
        each
        for each in said["categories"]
        if not (isinstance(each, dict) and each.get("name") in above and each.get("id") not in used)
    ]
    return {**said, "categories": kept}


def _of_json(path: Path, folder: Path) -> dict[str, Any]:
    said, drawn = _json(path), Drawn()
    if labelme.is_labelme(said):
        labelme.add(drawn, said, path.name)
    elif via.is_via(said):
        via.add(drawn, said)
    elif label_studio.is_label_studio(said):
        label_studio.add(drawn, said)
    elif answers.is_answer(said):
        answers.add(drawn, said, path.name, answers.picture_name(path, said, path.parent))
    else:
        return _coco(path, said)
    return drawn.content()


def _of_lines(path: Path, folder: Path) -> dict[str, Any]:
    drawn = Drawn()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            said = json.loads(line)
        except ValueError as error:
            raise FarmError(f"{path}: line {number} is no JSON: {error}") from error
        if answers.is_answer(said):
            answers.add(drawn, said, f"line {number}", str(said.get("file")))
    return drawn.content()


def _of(read: Callable[[Drawn, Path], None]) -> Callable[[Path, Path], dict[str, Any]]:
    def content(path: Path, folder: Path) -> dict[str, Any]:
        drawn = Drawn()
        read(drawn, path)
        return drawn.content()

    return content


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise FarmError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FarmError(f"{path} is no JSON: {error}") from error


#: How the labels in a file are read, by its suffix: from its path and the folder it was found in.
_READ: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    ".json": _of_json,
    ".jsonl": _of_lines,
    ".xml": _of(cvat.read),
    ".csv": _of(via.read_csv),
    ".yaml": _of(yolo.read),
    ".yml": _of(yolo.read),
}
