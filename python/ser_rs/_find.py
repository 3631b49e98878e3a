"""From what a user calls a model to its folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ser_rs._errors import exception, usage


def find(model: str | os.PathLike[str], data_dir: str | os.PathLike[str]) -> Path:
    """The folder of a model or experiment: `model`, that of `model.json`, or one among the models of
    `data_dir`, as for `ser predict`.
    """
    if not isinstance(model, (str, os.PathLike)):
        raise usage(f"the model is {type(model).__name__}, not a path", "name its folder, or PIPELINE/EXPERIMENT")
    if not os.fspath(model):
        raise usage("the name of the model is empty", "name its folder, or PIPELINE/EXPERIMENT")
    folder = Path(model)
    if folder.is_file() and folder.name != "model.json":
        raise usage(f"{folder} is a file, not the folder of a model", "name the folder that holds model.json")
    if folder.name == "model.json":
        folder = folder.parent
    models = Path(data_dir, "models")
    places = (folder, models / folder)
    for place in places:
        if _is_there(place):
            return place
    for place in places:
        _refuse_ensemble(place)
    raise _missing(folder, models)


def _is_there(folder: Path) -> bool:
    return (folder / "model.json").exists() or any(folder.glob("fold-*/model.json"))


def _refuse_ensemble(folder: Path) -> None:
    """Names the members where a report says that the experiment is an ensemble."""
    experiment, pipeline = folder.name, folder.parent.name
    reports = folder.parent.parent.parent.parent / "reports"
    try:
        settings = json.loads((reports / pipeline / "report.json").read_text(encoding="utf-8"))["settings"]
        is_ensemble = settings[f"experiment.{experiment}.model.kind"] == "ensemble"
        members = ", ".join(json.loads(settings[f"experiment.{experiment}.model.members"]))
    except (OSError, ValueError, KeyError, TypeError):
        return
    if is_ensemble:
        text = f"{pipeline}/{experiment} is an ensemble, and ensembles are not saved"
        raise exception("Missing", text, f"load its members and combine their probabilities: {members}", 5)


def _missing(folder: Path, models: Path) -> BaseException:
    below = models / folder
    text = f"there is no saved model in {folder}" + ("" if folder.is_absolute() else f" or {below}")
    for near in (folder, below, folder.parent, below.parent, models):
        names = sorted(one.name for one in near.iterdir() if one.is_dir()) if near.name and near.is_dir() else []
        if names:
            shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            return exception("Missing", text, f"the folders in {near}: {shown}", 5)
    hint = "train one: ser train PIPELINE; or name the folder that holds models/ with data_dir="
    return exception("Missing", text, hint, 5)
