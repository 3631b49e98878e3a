"""Speech encoders by their reference implementations: random weights of the published sizes, and their CPU seconds.

encoders.py make FOLDER            writes hubert-base, wavlm-base and whisper-base with random weights
encoders.py torch FOLDER SECONDS   CPU seconds of a clip and peak MiB, one thread; for Whisper also with 30 s of padding (FOLDER:30s)
encoders.py onnx FOLDER SECONDS    the same by onnxruntime; exports the model first, which needs onnx and onnxscript
"""

import resource
import sys
import time
from pathlib import Path

import torch
import transformers

RATE, PASSES = 16_000, 5


def make(folder):
    torch.manual_seed(0)
    models = {
        "hubert-base": transformers.HubertModel(transformers.HubertConfig()),
        "wavlm-base": transformers.WavLMModel(transformers.WavLMConfig()),
        "whisper-base": transformers.WhisperModel(
            transformers.WhisperConfig(
                d_model=512, encoder_layers=6, encoder_attention_heads=8, encoder_ffn_dim=2048,
                decoder_layers=1, decoder_attention_heads=8
            )
        ),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)


def report(run):
    run()
    seconds = []
    for _ in range(PASSES):
        before = time.process_time()
        run()
        seconds.append(time.process_time() - before)
    print(sorted(seconds)[PASSES // 2], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def of_torch(folder, padding, seconds):
    """The model as a function of nothing."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    if model.config.model_type != "whisper":
        clip = torch.randn(1, int(seconds * RATE))
        return lambda: model(clip, output_hidden_states=True)
    encoder = model.encoder
    if padding:
        mel = torch.randn(1, 80, 3000)
        return lambda: encoder(mel, output_hidden_states=True)
    mel = torch.randn(1, 80, int(seconds * 100) // 2 * 2)

    def short():
        # transformers takes 30 s alone: its own layers, with as many positions as there are frames.
        x = torch.nn.functional.gelu(encoder.conv1(mel))
        x = torch.nn.functional.gelu(encoder.conv2(x)).permute(0, 2, 1)
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        for layer in encoder.layers:
            x = layer(x, attention_mask=None)
            x = x[0] if isinstance(x, tuple) else x
        return encoder.layer_norm(x)

    return short


class States(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        out = self.model(x, output_hidden_states=True)
        return torch.stack(list(out.hidden_states), 1).mean(2)


def of_onnx(folder, seconds):
    import onnxruntime

    path = folder / "states.onnx"
    if not path.exists():
        model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
        samples = torch.export.Dim("samples", min=8000, max=480_000)
        torch.onnx.export(
            States(model).eval(),
            (torch.randn(1, 40_000),),
            path,
            dynamo=True,
            input_names=["x"],
            output_names=["y"],
            dynamic_shapes={"x": {1: samples}},
            external_data=False,
            verbose=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    clip = torch.randn(1, int(seconds * RATE)).numpy()
    return lambda: session.run(None, {"x": clip})


torch.set_num_threads(1)
what, (folder, _, padding) = sys.argv[1], sys.argv[2].partition(":")
folder = Path(folder)
if what == "make":
    make(folder)
else:
    seconds = float(sys.argv[3])
    run = of_torch(folder, padding, seconds) if what == "torch" else of_onnx(folder, seconds)
    with torch.inference_mode():
        report(run)
