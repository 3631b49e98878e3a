#!/usr/bin/env python3
"""The paper's RAVDESS network in PyTorch: the peer of ser's training and inference.

    torch_cnn.py [--mode train|infer] [--batch N] [--threads N] [--seconds S] [--compile] [--gate]

What it does is what `cargo bench --bench throughput` does: 1152 random rows of 193 features in 8 classes, shuffled anew each epoch; the
same layers, Glorot's initial weights, dropout, Keras' batch normalisation and RMSprop, a learning rate that falls with every step. A step
is everything between two batches: taking the rows, forward, backward, update.

It warms up, then works for S seconds and prints `mode= batch= threads= samples_per_s= cpu_ms_per_sample= samples=` and versions; CPU time
is user and system time of the process while the clock ran. With --gate it says `ready` when warm and waits for a line on its standard
input, so that two of them can be set off together.
"""
import argparse
import itertools
import os
import platform
import sys
import time

ROWS, FEATURES, CLASSES = 1152, 193, 8
WARM_STEPS, WARM_STEPS_COMPILED = 4, 24


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["train", "infer"], default="train")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--compile", action="store_true", help="torch.compile: needs a C++ compiler")
    parser.add_argument("--gate", action="store_true", help="wait for a line on standard input when warm")
    return parser.parse_args()


args = arguments()
# Before torch is loaded: its thread pools read these once.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(args.threads)))

import torch
from torch import nn


class Glorot(nn.Conv1d):
    """Width 5, length kept, initial values as Keras has them."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, kernel_size=5, padding="same")

    def reset_parameters(self):
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)


def norm(channels):
    # Keras keeps 0.99 of the running statistics; PyTorch names the share that it replaces.
    return nn.BatchNorm1d(channels, eps=1e-3, momentum=0.01)


def network():
    length = FEATURES // 8
    head = [Glorot(1, 256), norm(256), nn.ReLU(), Glorot(256, 128), nn.ReLU(), nn.Dropout(0.1), norm(128), nn.MaxPool1d(8)]
    body = [Glorot(128, 128), nn.ReLU(), Glorot(128, 128), nn.ReLU(), Glorot(128, 128), norm(128), nn.ReLU(), nn.Dropout(0.2)]
    tail = [Glorot(128, 128), nn.Flatten(), nn.Dropout(0.2), nn.Linear(length * 128, CLASSES), norm(CLASSES)]
    return nn.Sequential(*head, *body, *tail)


def batches():
    """Row numbers of one batch after the other, epoch after epoch."""
    while True:
        yield from torch.randperm(ROWS).split(args.batch)


def worker():
    """A function that takes the rows of a batch through one step."""
    torch.manual_seed(1)
    net = network()
    x = torch.empty(ROWS, 1, FEATURES).uniform_(-1, 1)
    y = torch.randint(CLASSES, (ROWS,))
    net.train(args.mode == "train")
    forward = torch.compile(net) if args.compile else net

    @torch.inference_mode()
    def infer(rows):
        forward(x[rows])

    if args.mode == "infer":
        return infer

    loss = nn.CrossEntropyLoss()
    rule = torch.optim.RMSprop(net.parameters(), lr=1e-5, alpha=0.9, eps=1e-7)
    steps = itertools.count()

    def train(rows):
        rule.param_groups[0]["lr"] = 1e-5 / (1 + 1e-6 * next(steps))
        rule.zero_grad()
        loss(forward(x[rows]), y[rows]).backward()
        rule.step()

    return train


def main():
    torch.set_num_threads(args.threads)
    step, source = worker(), batches()
    try:
        for rows in itertools.islice(source, WARM_STEPS_COMPILED if args.compile else WARM_STEPS):
            step(rows)
    except Exception as error:  # whatever stops the compiler: the one who asked wants a line, not its inner stack
        sys.exit(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}")
    if args.gate:
        print("ready", flush=True)
        sys.stdin.readline()

    samples = 0
    wall, cpu = time.perf_counter(), time.process_time()
    for rows in source:
        step(rows)
        samples += len(rows)
        if time.perf_counter() - wall >= args.seconds:
            break
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"mode={args.mode} batch={args.batch} threads={args.threads} samples_per_s={samples / wall:.1f} "
        f"cpu_ms_per_sample={cpu * 1e3 / samples:.4f} samples={samples} torch={torch.__version__} python={platform.python_version()}"
    )


if __name__ == "__main__":
    main()
