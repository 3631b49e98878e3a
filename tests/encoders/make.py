#!/usr/bin/env python3
"""Writes the small random encoders of this folder and their reference states, by transformers in float32.

    pip install torch transformers safetensors
    ./make.py

Every parameter is disturbed: as models are initialised, layer normalisations are 1 and 0, biases 0 and
gates constant, so that leaving one out would not show. Each model is in another format of weights, and
its states are those of the weights as they were rounded. `states.safetensors` has `hidden_0` to
`hidden_n`: the input of the first block, the output of every block, and, where the architecture ends
with a normalisation, its output. The recording is `clip` below, which the tests make again.
"""
import json
import pathlib
import shutil

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model, WavLMConfig, WavLMModel,
                          WhisperConfig, WhisperFeatureExtractor)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

HERE = pathlib.Path(__file__).parent
SAMPLES = 8000


def clip(count):
    """Noise under a sawtooth, from integers alone, so that any language makes the same samples."""
    state, out = 1, []
    for n in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        out.append(((state >> 8) / 2**24 - 0.5) * ((n % 4000 + 200) / 4200))
    return np.array(out, np.float32)


def disturb(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(torch.randn_like(parameter) * (0.2 if parameter.dim() == 1 else 0.1))
            if name.endswith(("weight_g", "original0")):
                parameter.mul_(1 + 0.5 * torch.rand_like(parameter))


def write(folder, config, preprocessor, weights, form):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    if preprocessor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=1) + "\n")
    if form == "pickle":
        torch.save(weights, folder / "pytorch_model.bin")
    elif form == "parts":
        names = sorted(weights)
        halves = names[: len(names) // 2], names[len(names) // 2 :]
        where = {}
        for index, half in enumerate(halves):
            file = f"model-{index + 1:05}-of-00002.safetensors"
            save_file({name: weights[name] for name in half}, folder / file)
            where.update({name: file for name in half})
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}, indent=1) + "\n")
    else:
        save_file(weights, folder / "model.safetensors")


def rounded(model, number):
    """The model with the values that a file of this type of number holds, and what stands in it."""
    stored = {name: value.to(number).contiguous().clone() for name, value in model.state_dict().items()}
    model.load_state_dict({name: value.float() for name, value in stored.items()})
    return stored


def save_states(folder, states):
    tensors = {f"hidden_{i}": torch.from_numpy(np.ascontiguousarray(s, np.float32)) for i, s in enumerate(states)}
    save_file(tensors, folder / "states.safetensors")


def waveform(name, config, model_class, prefix, number, form, old_names, do_normalize):
    model = model_class(config).eval()
    disturb(model)
    stored = rounded(model, number)
    if old_names:
        stored = {k.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v"): v
                  for k, v in stored.items()}
    stored = {prefix + k: v for k, v in stored.items()}
    stored["lm_head.weight"] = torch.zeros(2, 16, dtype=number)
    kept = {k: v for k, v in config.to_dict().items()
            if k.startswith(("model_type", "hidden", "num_", "intermediate", "conv_", "feat_", "do_stable", "layer_norm", "max_bucket", "add_adapter"))}
    folder = HERE / name
    write(folder, kept, {"do_normalize": do_normalize, "sampling_rate": 16000}, stored, form)
    x = clip(SAMPLES).astype(np.float64)
    if do_normalize:
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-7)
    last = []
    if config.do_stable_layer_norm:
        model.encoder.layers[-1].register_forward_hook(lambda _, __, out: last.append(out[0] if isinstance(out, tuple) else out))
    with torch.no_grad():
        out = model(torch.from_numpy(x.astype(np.float32))[None], output_hidden_states=True)
    states = [h[0].numpy() for h in out.hidden_states]
    states[-1] = out.last_hidden_state[0].numpy()
    if config.do_stable_layer_norm:
        raw = last[0].numpy()
        states.insert(-1, raw.reshape(-1, raw.shape[-1]))
    save_states(folder, states)
    print(name, [s.shape for s in states], sum(f.stat().st_size for f in folder.iterdir()))


def whisper(name, number):
    config = WhisperConfig(d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=24, num_mel_bins=80,
                           max_source_positions=50, attn_implementation="eager")
    model = WhisperEncoder(config).eval()
    disturb(model)
    stored = {f"model.encoder.{k}": v for k, v in rounded(model, number).items()}
    stored["model.decoder.embed_tokens.weight"] = torch.zeros(2, 16, dtype=number)
    kept = {k: v for k, v in config.to_dict().items()
            if k in ("model_type", "d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins",
                     "max_source_positions", "activation_function")}
    folder = HERE / name
    write(folder, kept, None, stored, "whole")
    x = clip(SAMPLES + 250)
    extractor = WhisperFeatureExtractor(chunk_length=1)
    tensors = {}
    for word, padding in (("padded", "max_length"), ("short", "do_not_pad")):
        mel = torch.from_numpy(extractor(x, sampling_rate=16000, padding=padding, return_tensors="np").input_features[0])
        frames = -(-len(x) // 320)
        if word == "short":
            mel = mel[:, : len(x) // 160 // 2 * 2]
            frames = mel.shape[1] // 2
        with torch.no_grad():
            h = torch.nn.functional.gelu(model.conv1(mel[None]))
            h = torch.nn.functional.gelu(model.conv2(h)).permute(0, 2, 1)
            h = h + model.embed_positions.weight[: h.shape[1]]
            states = [h]
            for block in model.layers:
                h = block(h, attention_mask=None)
                h = (h[0] if isinstance(h, tuple) else h).reshape(1, -1, 16)
                states.append(h)
            states.append(model.layer_norm(h))
        tensors.update({f"{word}_{i}": s[0, :frames].contiguous().clone() for i, s in enumerate(states)})
    save_file(tensors, folder / "states.safetensors")
    print(name, {k: tuple(v.shape) for k, v in tensors.items()}, sum(f.stat().st_size for f in folder.iterdir()))


def main():
    torch.manual_seed(1)
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, conv_dim=(8,) * 7,
                 num_conv_pos_embeddings=6, num_conv_pos_embedding_groups=2, attn_implementation="eager")
    post = dict(sizes, do_stable_layer_norm=False, feat_extract_norm="group", conv_bias=False)
    pre = dict(sizes, do_stable_layer_norm=True, feat_extract_norm="layer", conv_bias=True)
    # Few buckets, so that half a second reaches the logarithmic ones.
    positions = dict(num_buckets=16, max_bucket_distance=40)
    waveform("wav2vec2-post", Wav2Vec2Config(**post), Wav2Vec2Model, "wav2vec2.", torch.float32, "pickle", True, True)
    waveform("wav2vec2-pre", Wav2Vec2Config(**pre), Wav2Vec2Model, "", torch.float16, "parts", False, True)
    waveform("hubert-post", HubertConfig(**post, feat_proj_layer_norm=False), HubertModel, "hubert.", torch.float32, "whole", True, True)
    waveform("hubert-pre", HubertConfig(**dict(pre, num_conv_pos_embeddings=5)), HubertModel, "", torch.bfloat16, "whole", False, True)
    waveform("wavlm-post", WavLMConfig(**post, **positions), WavLMModel, "wavlm.", torch.float16, "pickle", False, True)
    waveform("wavlm-pre", WavLMConfig(**pre, **positions), WavLMModel, "", torch.float32, "whole", True, False)
    whisper("whisper", torch.float16)


main()
