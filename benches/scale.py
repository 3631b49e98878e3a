#!/usr/bin/env python3
"""Time and memory of `ser features` against the number of utterances: see docs/scale.md.

Makes manifests out of the recordings of RAVDESS (or any folder of audio files) and runs the program on them:

  links     the recordings again and again under other names: every file is decoded, each distinct sound is analysed once
  segments  pieces of 40 ms: every one is analysed, but for digital silence, which is the same everywhere

Prints wall and CPU seconds and peak memory of the first run, of a rerun with nothing to do, and of a run with ten more rows.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIECES, PIECE_S, FIRST_S = 50, 0.04, 0.6
PIPELINE = """name = "scale"
[corpus]
kind = "manifest"
path = "manifest.csv"
root = "corpus"
[[experiment]]
name = "base"
protocol = { kind = "stratified-kfold", folds = 2 }
model = { kind = "majority" }
"""


def label(recording):
    """Emotion and speaker of a RAVDESS name; anything for another one."""
    fields = recording.stem.split("-")
    return (fields[2], fields[6]) if len(fields) == 7 else ("any", recording.parent.name or "one")


class Links:
    header = "path,emotion,speaker\n"

    def __init__(self, folder, recordings):
        self.folder, self.recordings = folder, recordings

    def row(self, i):
        recording = self.recordings[i % len(self.recordings)]
        name = f"{i // len(self.recordings):05}-{recording.name}"
        (self.folder / name).symlink_to(recording)
        emotion, speaker = label(recording)
        return f"{name},{emotion},{speaker}\n"


class Segments:
    header = "path,emotion,speaker,start,end\n"

    def __init__(self, folder, recordings):
        self.folder, self.recordings = folder, recordings

    def row(self, i):
        which, piece = divmod(i, PIECES)
        rounds, which = divmod(which, len(self.recordings))
        recording = self.recordings[which]
        link = self.folder / recording.name
        if not link.is_symlink():
            link.symlink_to(recording)
        emotion, speaker = label(recording)
        start = FIRST_S + piece * PIECE_S + rounds * PIECE_S / 64
        return f"{link.name},{emotion},{speaker},{start:.6f},{start + PIECE_S:.6f}\n"


def measure(command, folder):
    """Wall seconds, CPU seconds, peak MiB, and what standard error said."""
    with tempfile.TemporaryFile() as said:
        begin = time.monotonic()
        pid = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, said.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)],
        )
        _, status, usage = os.wait4(pid, 0)
        wall = time.monotonic() - begin
        said.seek(0)
        text = said.read().decode(errors="replace")
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(command)} failed in {folder}:\n{text[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text


def extracted(text):
    """How many vectors a run says that it computed."""
    return max((int(n) for n in re.findall(r'"note":"(\d+) analysed"', text)), default=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder of recordings, RAVDESS say")
    parser.add_argument("--ser", help="the program; without it, the one that cargo has built last")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--kinds", nargs="+", choices=["links", "segments"], default=["links", "segments"])
    parser.add_argument("--jobs", default=str(os.cpu_count()))
    args = parser.parse_args()
    if args.ser is None:
        target = subprocess.check_output([Path(__file__).parent.parent / ".ci/target-dir"], text=True).strip()
        args.ser = Path(target, "release", "ser")
    program = str(Path(args.ser).resolve())
    recordings = sorted(p for p in args.corpus.resolve().rglob("*.wav"))
    if not recordings:
        sys.exit(f"no recordings (*.wav) under {args.corpus}")

    print(f"{'kind':9}{'utterances':>11}  {'run':6}{'wall s':>9}{'CPU s':>9}{'ms/utt.':>9}{'peak MiB':>10}{'extracted':>11}{'parts':>7}")
    for kind in args.kinds:
        for size in args.sizes:
            # A child's peak counts from its parent's size on, so what a case needs here must not stay for the next one.
            sys.stdout.flush()
            case_pid = os.fork()
            if case_pid == 0:
                case(kind, size, program, recordings, args.jobs)
                os._exit(0)
            if os.waitpid(case_pid, 0)[1] != 0:
                sys.exit(1)


def case(kind, size, program, recordings, jobs):
    """The three runs on one manifest."""
    with tempfile.TemporaryDirectory(prefix="ser-scale-") as name:
        folder = Path(name)
        corpus = folder / "corpus"
        corpus.mkdir()
        (folder / "scale.toml").write_text(PIPELINE)
        rows = {"links": Links, "segments": Segments}[kind](corpus, recordings)
        manifest = folder / "manifest.csv"
        with manifest.open("w") as out:
            out.write(rows.header)
            out.writelines(rows.row(i) for i in range(size))
        os.chdir(folder)
        command = [program, "features", "./scale.toml", "--json", "--jobs", jobs]
        for run in ["first", "again", "ten"]:
            if run == "ten":
                with manifest.open("a") as out:
                    out.writelines(rows.row(size + i) for i in range(10))
            wall, cpu, peak, text = measure(command, folder)
            each = f"{1000 * cpu / size:.2f}" if run == "first" else ""
            parts = len(list((folder / "data/tables/scale").glob("features*.parquet")))
            print(
                f"{kind:9}{size:>11,}  {run:6}{wall:>9.2f}{cpu:>9.2f}{each:>9}{peak:>10.1f}{extracted(text):>11,}{parts:>7}",
                flush=True,
            )
        os.chdir("/")


if __name__ == "__main__":
    main()
