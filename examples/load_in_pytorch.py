"""Loads a network that ser trained into PyTorch and prints its logits for every row of a feature table, as CSV.

    python examples/load_in_pytorch.py data/models/demo/quick/fold-00-seed-0 data/tables/demo/features.parquet

Networks over one row an utterance (the paper's, the perceptron); `per-speaker` scaling and sequences of frames are not covered.
"""
import json, sys
import numpy as np, pandas as pd, torch
from safetensors.torch import load_file

class Flatten(torch.nn.Module):  # ser keeps channels fastest
    def forward(self, x):
        return x.transpose(1, 2).flatten(1)

def load(folder):
    card = json.load(open(f"{folder}/model.json"))
    if not card["layers"]:
        sys.exit(f"only networks can be loaded; {folder} is a model of kind {card['kind']}")
    make = {
        "conv": lambda l: torch.nn.Conv1d(l["inputs"], l["outputs"], l["kernel"], padding="same"),
        "batch-norm": lambda l: torch.nn.BatchNorm1d(l["channels"], eps=1e-3),
        "dense": lambda l: torch.nn.Linear(l["inputs"], l["outputs"]),
        "max-pool": lambda l: torch.nn.MaxPool1d(l["size"]),
        "dropout": lambda l: torch.nn.Dropout(l["p"]),
        "relu": lambda l: torch.nn.ReLU(),
        "flatten": lambda l: Flatten(),
    }
    network = torch.nn.ModuleDict({"layers": torch.nn.Sequential(*[make[l["kind"]](l) for l in card["layers"]])})
    lacking, unknown = network.load_state_dict(load_file(f"{folder}/model.safetensors"), strict=False)
    assert not unknown and all(name.endswith("num_batches_tracked") for name in lacking), (lacking, unknown)
    return card, network["layers"].eval()

def inputs(card, table):
    if card["inputs"]["scaler"] == "per-speaker" or card["inputs"].get("frames"):
        sys.exit("per-speaker scaling and sequences of frames are not covered by this example")
    column = lambda name: np.log(table[name[4:]].clip(lower=1e-10)) if name.startswith("log_") else table[name]
    x = np.stack([column(name) for name in card["feature_names"]], axis=1).astype(np.float32)
    if card["scaler"]["kind"] == "standard":
        x = (x - np.float32(card["scaler"]["mean"])) / np.float32(card["scaler"]["sd"])
    limit = card["inputs"].get("clip") or np.inf
    return torch.from_numpy(np.clip(x, -limit, limit)).unsqueeze(1)

if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: python {sys.argv[0]} MODEL_FOLDER FEATURES.parquet (a network's fold-*, and the table of its feature set)")
    card, network = load(sys.argv[1])
    table = pd.read_parquet(sys.argv[2])
    with torch.no_grad():
        logits = network(inputs(card, table))
    pd.DataFrame(logits.numpy(), index=table["utterance_id"], columns=card["labels"]).to_csv(sys.stdout)
