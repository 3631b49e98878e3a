"""Data frames and dicts of lists as recordings and segments."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from numbers import Real
from typing import Any

from ser_rs._errors import exception, usage

HINT = "give paths, a data frame with a column path, or pairs of samples and their rate in Hz"
# What each column may be called.
SPELLINGS = {"path": ("path", "file"), "start": ("start", "start_s"), "end": ("end", "end_s"), "speaker": ("speaker",)}
# Names under which other programs write times, in lower case.
TIMES = {
    "start": {"start", "start_s", "begin", "onset", "start_time", "starttime", "tmin", "xmin"},
    "end": {"end", "end_s", "stop", "offset", "end_time", "endtime", "tmax", "xmax"},
}
TABLES = {".csv", ".tsv", ".tab", ".parquet", ".jsonl", ".ndjson"}


def is_frame(given: Any) -> bool:
    """Whether it has columns."""
    return isinstance(given, dict) or hasattr(given, "columns")


def is_row(given: Any) -> bool:
    """Whether it is a row of a data frame of pandas."""
    return hasattr(given, "iloc") and not is_frame(given) and any(name in given.index for name in SPELLINGS["path"])


def index_of(given: Any) -> Any | None:
    """The index of a data frame or series of pandas."""
    return given.index if hasattr(given, "iloc") else None


def names_several(path: str) -> bool:
    """Whether a path names a folder or a manifest, not a recording."""
    suffix = os.path.splitext(path)[1].lower()
    return suffix in TABLES or os.path.isdir(path)


def is_masked(values: Any) -> bool:
    """Whether it is a masked array of numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(values, numpy.ma.MaskedArray)


def rows(frame: Any, root: str | None) -> list[tuple[str, None, str | None, float | None, float | None]]:
    """Path, no bytes, speaker, start and end of each row; relative paths start from `root`."""
    found = _columns(frame)
    columns = {kind: _values(frame[name], name) for kind, name in found.items()}
    count, path_column = len(columns["path"]), found["path"]
    for kind, values in columns.items():
        if len(values) != count:
            text = f"the columns have unequal lengths: {path_column} {count}, {found[kind]} {len(values)}"
            raise usage(text, "give each row a value in each column, None where there is none")
    none = [None] * count
    paths = [_path(path, row, path_column, root) for row, path in enumerate(columns["path"])]
    speakers = [None if one is None else str(one) for one in columns.get("speaker", none)]
    times = [[_seconds(at, row, found.get(kind, kind)) for row, at in enumerate(columns.get(kind, none))] for kind in ("start", "end")]
    return [(path, None, *rest) for path, *rest in zip(paths, speakers, *times, strict=True)]


def _columns(frame: Any) -> dict[str, str]:
    """The name of each column that is there, by what it holds."""
    names = list(getattr(frame, "column_names", frame if isinstance(frame, dict) else frame.columns))
    levels = set(getattr(index_of(frame), "names", ())) - {None}
    found = {}
    for kind, spellings in SPELLINGS.items():
        there = [name for name in names if name in spellings]
        if len(there) > 1:
            raise usage(f"the table has the columns {' and '.join(there)}, which name the same", "keep one of them")
        if there:
            found[kind] = there[0]
        elif kind != "speaker" and levels & set(spellings):
            text = f"the index of the table, not a column, has the level {min(levels & set(spellings))}"
            raise usage(text, "make columns of the index: frame.reset_index()")
    if "path" not in found:
        raise usage(f"the table has no column path, but {', '.join(map(str, names))}", HINT)
    for kind, words in TIMES.items():
        near = [name for name in names if str(name).lower() in words]
        if kind not in found and near:
            text = f"the table has a column {near[0]}, which looks like the {kind} of segments, and no column {kind}"
            raise usage(text, f"rename it to {kind}, in seconds; or leave it out, for whole recordings")
    return found


def _values(values: Any, name: str) -> list[Any]:
    """A column as a list, None where a value is missing."""
    if isinstance(values, (str, bytes, os.PathLike)) or not isinstance(values, Iterable):
        raise usage(f"the column {name} is {values!r}, not a list", f'give a list, also of one value: {{"{name}": [{values!r}]}}')
    if is_masked(values):
        raise usage(f"the column {name} is a masked array", "give a list with None where a value is missing")
    for method in ("to_pylist", "to_list"):
        if hasattr(values, method):
            values = getattr(values, method)()
    return [None if _is_missing(value) else value for value in values]


def _is_missing(value: Any) -> bool:
    kind = type(value).__name__
    # A missing number or time is not equal to itself; pandas.NA has no truth.
    return value is None or kind in ("NAType", "NaTType") or ((isinstance(value, Real) or kind == "timedelta64") and value != value)


def _path(path: Any, row: int, column: str, root: str | None) -> str:
    if path is None:
        raise exception("Data", f"row {row} of the table has no path", None, 4)
    if not isinstance(path, (str, os.PathLike)):
        raise usage(f"row {row}, column {column}: {path!r} is no path", HINT)
    text = os.fspath(path)
    if not text:
        raise usage(f"row {row}, column {column}: the path is empty", "name a recording")
    text = text if root is None else os.path.join(root, text)
    if names_several(text):
        hint = "each row is one recording: give folders and manifests by themselves, not in a table"
        raise usage(f"row {row}, column {column}: {text} is a folder or manifest", hint)
    return text


def _seconds(at: Any, row: int, column: str) -> float | None:
    """Seconds, of a number or of a duration of any library."""
    if at is None:
        return None
    try:
        if hasattr(at, "total_seconds"):
            return float(at.total_seconds())
        if type(at).__name__ == "timedelta64":
            return float(at / type(at)(1, "s"))
        return float(at)
    except (TypeError, ValueError):
        raise usage(f"row {row}, column {column}: {at!r} is no number of seconds", "write seconds as 0.5") from None
