"""From what a user has (paths, a data frame, arrays) to what the library takes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from numbers import Real
from typing import Any, Union

from ser_rs._errors import exception

Recordings = Union[str, "os.PathLike[str]", Iterable[Any], Any]
HINT = "give paths, a data frame with a column path, or pairs of samples and their rate in Hz"


def as_recordings(recordings: Recordings, rate: float | None) -> list[Any]:
    """A path for what may be a folder or a manifest, else (path, bytes, speaker, start, end)."""
    if isinstance(recordings, (str, os.PathLike)):
        return [os.fspath(recordings)]
    if isinstance(recordings, dict) or hasattr(recordings, "columns"):
        return _rows(recordings)
    if _holds_samples(recordings):
        return [_clip("0", recordings, rate)]
    if isinstance(recordings, tuple) and _is_pair(recordings):
        return [_clip("0", *recordings)]
    if not isinstance(recordings, Iterable):
        raise exception("Usage", f"{type(recordings).__name__} holds no recordings", HINT, 2)
    return [_one(str(at), one, rate) for at, one in enumerate(recordings)]


def _one(name: str, one: Any, rate: float | None) -> Any:
    if isinstance(one, (str, os.PathLike)):
        return os.fspath(one)
    if isinstance(one, (tuple, list)) and _is_pair(one):
        return _clip(name, *one)
    if _holds_samples(one):
        return _clip(name, one, rate)
    raise exception("Usage", f"recording {name} is {type(one).__name__}, neither a path nor samples", HINT, 2)


def _is_pair(one: Any) -> bool:
    return len(one) == 2 and isinstance(one[1], Real) and _holds_samples(one[0])


def _holds_samples(one: Any) -> bool:
    """Whether it is an array of numbers, of whichever library."""
    if not hasattr(one, "__array__"):
        return False
    import numpy

    return numpy.asarray(one).dtype.kind in "biufc"


def _rows(frame: Any) -> list[Any]:
    names = list(getattr(frame, "column_names", frame if isinstance(frame, dict) else frame.columns))
    if "path" not in names:
        raise exception("Usage", f"the table has no column path, but {', '.join(map(str, names))}", HINT, 2)

    def column(name: str) -> list[Any]:
        if name not in names:
            return [None] * len(frame["path"])
        values = frame[name]
        for method in ("to_pylist", "to_list"):
            if hasattr(values, method):
                values = getattr(values, method)()
        # A missing value of pandas is not equal to itself, or (pandas.NA) has no truth.
        return [None if value is None or value is not value or _is_missing(value) else value for value in values]

    paths, speakers = column("path"), column("speaker")
    if None in paths:
        raise exception("Data", f"row {paths.index(None)} of the table has no path", None, 4)
    seconds = [[None if at is None else float(at) for at in column(name)] for name in ("start", "end")]
    who = [None if speaker is None else str(speaker) for speaker in speakers]
    return [(os.fspath(path), None, *rest) for path, *rest in zip(paths, who, *seconds)]


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)


def _clip(name: str, samples: Any, rate: float | None) -> tuple[str, bytes, None, None, None]:
    """A recording in memory: the samples as a WAVE file of 32-bit floats, which keeps their bits."""
    import numpy

    if rate is None:
        raise exception("Usage", f"recording {name} has no sampling rate", "say rate=16000, or give pairs of samples and rate", 2)
    if int(rate) != rate or not 0 < rate < 2**32:
        raise exception("Usage", f"the sampling rate of recording {name} is {rate}", "give whole Hz", 2)
    array = numpy.asarray(samples)
    if array.ndim != 1:
        hint = "give one channel, such as the mean over all: y.mean(axis=...)"
        raise exception("Usage", f"the samples of recording {name} have the shape {array.shape}", hint, 2)
    if array.dtype.kind == "i" and array.dtype.itemsize in (2, 4):
        array = array.astype("f8") / 2.0 ** (8 * array.dtype.itemsize - 1)
    elif array.dtype.kind != "f":
        hint = "give floats with full scale at 1, or int16 or int32"
        raise exception("Usage", f"the samples of recording {name} are {array.dtype}", hint, 2)
    data = array.astype("<f4").tobytes()
    if len(data) > 2**32 - 64:
        raise exception("Usage", f"recording {name} has more than 4 GiB of samples", "write it to a file", 2)
    rate = int(rate)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1, rate, 4 * rate, 4, 32, b"data", len(data))
    return name, header + data, None, None, None
