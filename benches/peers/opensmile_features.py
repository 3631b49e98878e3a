#!/usr/bin/env python3
"""The 88 eGeMAPSv02 functionals of openSMILE: other features than ser's, to give the speeds a scale.

    opensmile_features.py FOLDER OUT.csv

Takes every WAV file below FOLDER, in the order of the paths, and writes one row of functionals per file.

Prints `files= audio_s= wall_s= cpu_s=` and versions. The clocks start after the imports and after a first file, which is not counted.
`cpu_s` is user and system time of the process.
"""
import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import csv
import pathlib
import platform
import sys
import time

import audiofile
import opensmile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    files = sorted(args.folder.rglob("*.wav"))
    if not files:
        sys.exit(f"no WAV file below {args.folder}")
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals, num_workers=1
    )

    def functionals(file):
        signal, rate = audiofile.read(file, always_2d=True)
        mono = signal.mean(axis=0, keepdims=True)
        # The bare call: the one that returns a data frame spends more time on the frame than on the features.
        return smile(mono, rate).ravel(), signal.shape[1] / rate

    functionals(files[0])
    wall, cpu = time.perf_counter(), time.process_time()
    rows = [functionals(file) for file in files]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu

    with args.out.open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["path", *smile.feature_names])
        table.writerows([file.relative_to(args.folder), *map(float, row[0])] for file, row in zip(files, rows))
    print(
        f"files={len(rows)} audio_s={sum(row[1] for row in rows):.1f} wall_s={wall:.3f} cpu_s={cpu:.3f} "
        f"opensmile={opensmile.__version__} python={platform.python_version()}"
    )


if __name__ == "__main__":
    main()
