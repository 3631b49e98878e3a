#!/usr/bin/env python3
"""librosa's own way to the 193 features: the peer of `ser features`.

    librosa_features.py FOLDER OUT.csv [--jobs N]

Takes every WAV file below FOLDER, in the order of the paths, and writes one row of 193 time means per file: 40 MFCC, 12 chroma, 128 mel,
7 spectral contrast, 6 tonnetz, each by librosa's function with its defaults, as the paper's authors and those after them call them.

Prints `files= audio_s= wall_s= cpu_s=` and versions. The clocks start after the imports and after a first file, which is not counted:
what Python and numba need to get going is left out, in librosa's favour. `cpu_s` is user and system time of all processes.
"""
import os

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))  # before numpy is loaded, which reads them once

import argparse
import csv
import multiprocessing
import pathlib
import platform
import sys
import time
import warnings

import librosa
import numpy

warnings.filterwarnings("ignore")  # short files bring one warning a frame size
WIDTHS = {"mfcc": 40, "chroma": 12, "mel": 128, "contrast": 7, "tonnetz": 6}


def features(path):
    """The 193 means of one file, its length and the CPU time it took, both in seconds."""
    begin = time.process_time()
    signal, rate = librosa.load(path)
    of = librosa.feature
    frames = [
        of.mfcc(y=signal, sr=rate, n_mfcc=WIDTHS["mfcc"]),
        of.chroma_stft(y=signal, sr=rate),
        of.melspectrogram(y=signal, sr=rate),
        of.spectral_contrast(y=signal, sr=rate),
        of.tonnetz(y=signal, sr=rate),
    ]
    means = numpy.concatenate([part.mean(axis=1) for part in frames])
    return means.astype(numpy.float32), len(signal) / rate, time.process_time() - begin


def write(out, folder, files, rows):
    with out.open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["path"] + [f"{name}_{i:03}" for name, width in WIDTHS.items() for i in range(width)])
        for file, (means, _, _) in zip(files, rows):
            table.writerow([file.relative_to(folder)] + [float(value) for value in means])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with one thread")
    args = parser.parse_args()
    files = sorted(args.folder.rglob("*.wav"))
    if not files:
        sys.exit(f"no WAV file below {args.folder}")

    features(files[0])
    begin = time.perf_counter()
    if args.jobs == 1:
        rows = [features(file) for file in files]
    else:
        with multiprocessing.Pool(args.jobs) as pool:
            rows = pool.map(features, files, chunksize=4)
    wall = time.perf_counter() - begin

    write(args.out, args.folder, files, rows)
    print(
        f"files={len(rows)} audio_s={sum(row[1] for row in rows):.1f} wall_s={wall:.3f} cpu_s={sum(row[2] for row in rows):.3f} "
        f"librosa={librosa.__version__} numpy={numpy.__version__} python={platform.python_version()}"
    )


if __name__ == "__main__":
    main()
