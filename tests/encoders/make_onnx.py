#!/usr/bin/env python3
"""Writes `onnx/hubert.onnx`: the model of `hubert-pre` with its states in all the ways that an encoder may give them.

    pip install torch transformers safetensors onnx onnxscript
    ./make_onnx.py

Outputs: `states` [states, 1, frames, values], `frames` [1, frames, values] and `vector` [1, values] (the mean of
the frames) of the last state, `pooled` [1, states, 2 * values] (mean and deviation of each), and `turned`
[1, values, frames], which is none of them. The reference is `hubert-pre/states.safetensors`.
"""
import json
import pathlib

import onnx
import torch
from safetensors.torch import load_file
from transformers import HubertConfig, HubertModel

HERE = pathlib.Path(__file__).parent
OUTPUTS = ["states", "frames", "vector", "pooled", "turned"]


class States(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        out = self.model(x, output_hidden_states=True)
        # The state before the final normalisation, which transformers 5 gives last.
        states = torch.stack(list(out.hidden_states) + [out.last_hidden_state])
        last = out.last_hidden_state
        pooled = torch.cat([states.mean(2), states.std(2, correction=0)], -1).transpose(0, 1)
        return states, last, last.mean(1), pooled, last.transpose(1, 2)


def main():
    config = HubertConfig(**json.loads((HERE / "hubert-pre/config.json").read_text()), attn_implementation="eager")
    model = HubertModel(config)
    weights = {name: value.float() for name, value in load_file(HERE / "hubert-pre/model.safetensors").items()}
    missing, unknown = model.load_state_dict(weights, strict=False)
    assert missing == ["masked_spec_embed"] or not missing, missing
    assert all(name.startswith("lm_head") for name in unknown), unknown
    (HERE / "onnx").mkdir(exist_ok=True)
    path = HERE / "onnx/hubert.onnx"
    torch.onnx.export(States(model).eval(), (torch.randn(1, 9000),), path, dynamo=True, external_data=False, input_names=["x"],
                      output_names=OUTPUTS, dynamic_shapes={"x": {1: torch.export.Dim("samples", min=800, max=480000)}})
    file = onnx.load(path)
    del file.metadata_props[:], file.graph.value_info[:], file.graph.metadata_props[:]
    for node in file.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.save(file, path)
    print(path.stat().st_size, [out.name for out in file.graph.output])


main()
