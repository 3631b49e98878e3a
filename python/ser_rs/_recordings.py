"""From what a user has (paths, a data frame, arrays) to what the library takes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple, Union

from ser_rs._errors import usage
from ser_rs._frames import HINT, index_of, is_frame, is_row, names_several, rows
from ser_rs._samples import clip, is_swapped, looks_16_bit, samples_of

Recordings = Union[str, "os.PathLike[str]", Iterable[Any], Any]


class Given(NamedTuple):
    """Recordings as the library takes them.

    Attributes:
        recordings: a path for what may be a folder or a manifest, else (path, bytes, speaker, start,
            end).
        root: where the paths of manifests start.
        index: the index of pandas, with a label for each recording, or None.
        warnings: what looks wrong.
    """

    recordings: list[Any]
    root: str | None
    index: Any | None
    warnings: list[str]


def as_recordings(recordings: Recordings, rate: float | None, root: str | os.PathLike[str] | None) -> Given:
    """What `recordings` holds."""
    root = None if root is None else os.fspath(root)
    reader = _Reader(rate)
    if is_frame(recordings):
        given = Given(rows(recordings, root), None, index_of(recordings), [])
    else:
        given = Given(reader.all(recordings), root, None, reader.warnings())
        index = index_of(recordings)
        if index is not None and not any(isinstance(one, str) and names_several(one) for one in given.recordings):
            # Of samples in a series, the index counts samples.
            given = given._replace(index=index if len(index) == len(given.recordings) else None)
    if rate is not None and given.recordings and not reader.has_samples:
        raise usage("rate is given, and no recording is an array of samples", "leave out rate: files say their own")
    return given


class _Reader:
    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self.has_samples = False
        self.small: list[str] = []

    def all(self, recordings: Any) -> list[Any]:
        if isinstance(recordings, (str, os.PathLike)):
            return [self.path("0", recordings)]
        if is_row(recordings):
            raise usage("a row of a data frame is no table", "give a table of one row: frame.loc[[label]], or frame.iloc[[position]]")
        samples = samples_of(recordings, "0")
        if samples is not None:
            return [self.clip("0", samples, self.rate)]
        if isinstance(recordings, tuple) and len(recordings) == 2 and not isinstance(recordings[1], (str, os.PathLike)):
            samples = samples_of(recordings[0], "0")
            if (samples is not None and _is_single(recordings[1])) or is_swapped(recordings, "0"):
                return [self.pair("0", recordings)]
        if not isinstance(recordings, Iterable):
            raise usage(f"{type(recordings).__name__} holds no recordings", HINT)
        return [self.one(str(at), one) for at, one in enumerate(recordings)]

    def one(self, name: str, one: Any) -> Any:
        if isinstance(one, (str, os.PathLike)):
            return self.path(name, one)
        samples = samples_of(one, name)
        if samples is not None:
            return self.clip(name, samples, self.rate)
        if isinstance(one, (tuple, list)) and len(one) == 2 and (is_swapped(one, name) or samples_of(one[0], name) is not None):
            return self.pair(name, one)
        raise usage(f"recording {name} is {type(one).__name__}, neither a path nor samples", HINT)

    def path(self, name: str, path: Any) -> str:
        text = os.fspath(path)
        if not text:
            raise usage(f"the path of recording {name} is empty", "name a recording, a folder or a manifest")
        return text

    def pair(self, name: str, pair: Any) -> Any:
        if is_swapped(pair, name):
            raise usage(f"recording {name} is a rate and samples", "swap them: (samples, rate)")
        return self.clip(name, samples_of(pair[0], name), pair[1])

    def clip(self, name: str, samples: Any, rate: Any) -> Any:
        self.has_samples = True
        if looks_16_bit(samples):
            self.small.append(name)
        return clip(name, samples, rate)

    def warnings(self) -> list[str]:
        if not self.small:
            return []
        count = "1 recording of int32 looks" if len(self.small) == 1 else f"{len(self.small)} recordings of int32 look"
        text = f"{count} like 16-bit samples (the first: recording {self.small[0]}): its peak is below 2**16, "
        return [text + "and full scale is 2**31; give y.astype(numpy.int16) if so"]


def _is_single(value: Any) -> bool:
    """Whether it is no collection, as a rate has to be."""
    return getattr(value, "shape", None) == () or not isinstance(value, Iterable)
