"""Samples in memory as recordings."""

from __future__ import annotations

import math
import os
import struct
from numbers import Real
from typing import Any

from ser_rs._errors import usage
from ser_rs._frames import is_masked

Clip = tuple[str, bytes, None, None, None]


def samples_of(one: Any, name: str) -> Any | None:
    """The array of numbers that it is, of whichever library; None where it is something else."""
    if isinstance(one, (str, os.PathLike)) or not hasattr(one, "__array__"):
        return None
    if is_masked(one):
        hint = "keep the valid samples with y.compressed(), or fill the others with y.filled(0)"
        raise usage(f"recording {name} is a masked array", hint)
    import numpy

    try:
        array = numpy.asarray(one)
    except (RuntimeError, TypeError, ValueError) as error:
        raise usage(f"recording {name} gives no array: {error}", "of a tensor give y.detach().cpu().numpy()") from None
    return array if array.ndim > 0 and array.dtype.kind in "biufc" else None


def is_swapped(one: Any, name: str) -> bool:
    """Whether it is a rate and samples in place of samples and rate."""
    return len(one) == 2 and isinstance(one[0], Real) and samples_of(one[1], name) is not None


def clip(name: str, array: Any, rate: Any) -> Clip:
    """The samples as a WAVE file of 32-bit floats, which keeps their bits."""
    rate = _rate(rate, name)
    if array.ndim != 1:
        hint = "give one channel, such as the mean over all: y.mean(axis=...)"
        raise usage(f"the samples of recording {name} have the shape {array.shape}", hint)
    if array.dtype.kind == "i" and array.dtype.itemsize in (2, 4):
        array = array.astype("f8") / 2.0 ** (8 * array.dtype.itemsize - 1)
    elif array.dtype.kind != "f":
        hint = "give floats with full scale at 1, or int16 or int32"
        raise usage(f"the samples of recording {name} are {array.dtype}", hint)
    data = array.astype("<f4").tobytes()
    if len(data) > 2**32 - 64:
        raise usage(f"recording {name} has more than 4 GiB of samples", "write it to a file")
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1, rate, 4 * rate, 4, 32, b"data", len(data))
    return name, header + data, None, None, None


def looks_16_bit(array: Any) -> bool:
    """Whether 32-bit samples stay within the range of 16-bit ones, and are no silence."""
    is_32_bit = array.dtype.kind == "i" and array.dtype.itemsize == 4
    return is_32_bit and array.size > 0 and 0 < max(int(array.max()), -int(array.min())) < 2**16


def _rate(rate: Any, name: str) -> int:
    if rate is None:
        raise usage(f"recording {name} has no sampling rate", "say rate=16000, or give pairs of samples and rate")
    rate = rate.item() if getattr(rate, "shape", None) == () else rate
    is_number = isinstance(rate, Real) and not isinstance(rate, bool) and math.isfinite(rate)
    if not is_number or int(rate) != rate or not 0 < rate < 2**32:
        raise usage(f"the sampling rate of recording {name} is {rate!r}", "give whole Hz, such as 16000")
    return int(rate)
