"""Write trained weights as a CTranslate2 int8 folder that faster-whisper loads offline.

Phone scores are left behind: the folder holds a plain Whisper network. Layout and names are those
of `ctranslate2.specs.whisper_spec`; `python -m services.whisper.demo.export --help` runs it by
hand.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ctranslate2.specs import attention_spec, common_spec, whisper_spec
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

from services.whisper.demo.card import MODEL_FOLDER
from services.whisper.demo.losses import N_LED_HEADS
from services.whisper.demo.model import Attention, Layer, Size, SpeechModel
from services.whisper.demo.tokenizer import load_tokenizer, token_ids


def averaged(state: dict[str, Any]) -> SpeechModel:
    """The network with the averaged weights of a checkpoint."""
    weights: dict[str, torch.Tensor] = state["average"]
    size = Size(len(weights["embedding.weight"]), len(weights["phones.weight"]))
    model = SpeechModel(size)
    model.load_state_dict(weights)
    return model.eval()


def export(model: SpeechModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the int8 model, its configuration, vocabulary, tokenizer and feature settings."""
    size = model.size
    spec = whisper_spec.WhisperSpec(
        size.encoder_layers, size.n_heads, size.decoder_layers, size.n_heads
    )
    for source, target in ((model.conv1, spec.encoder.conv1), (model.conv2, spec.encoder.conv2)):
        target.weight, target.bias = _array(source.weight), _array(source.bias)
    spec.encoder.position_encodings.encodings = _array(model.frame_positions)
    _norm(spec.encoder.layer_norm, model.encoder_norm)
    _layers(spec.encoder.layer, model.encoder)

    spec.decoder.embeddings.weight = _array(model.embedding.weight)
    spec.decoder.projection.weight = _array(model.embedding.weight)
    spec.decoder.position_encodings.encodings = _array(model.token_positions)
    _norm(spec.decoder.layer_norm, model.decoder_norm)
    _layers(spec.decoder.layer, model.decoder)

    ids = token_ids(tokenizer)
    tokens = {number: token for token, number in tokenizer.get_vocab().items()}
    spec.register_vocabulary([tokens[number] for number in range(len(tokens))])
    never_said = (ids.sot, ids.english, ids.transcribe, ids.previous, ids.no_speech)
    others = (tokenizer.token_to_id("<|translate|>"), tokenizer.token_to_id("<|startoflm|>"))
    spec.config.suppress_ids = sorted((*never_said, *others))
    # Unlike in OpenAI's models the end may come first (a window without speech).
    spec.config.suppress_ids_begin = [tokenizer.token_to_id("Ġ")]
    spec.config.lang_ids = [ids.english]
    last = size.decoder_layers - 1
    spec.config.alignment_heads = [[last, head] for head in range(N_LED_HEADS)]

    spec.validate()
    spec.optimize(quantization="int8")
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    preprocessor = {
        "feature_size": size.n_mels, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400,
        "chunk_length": 30,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=2) + "\n")


def _layers(specs: list[object], layers: nn.ModuleList) -> None:
    for spec, layer in zip(specs, layers, strict=True):
        _layer(spec, layer)  # type: ignore[arg-type]  # ModuleList forgets its element type


def _layer(spec: "common_spec.TransformerLayerSpec", layer: Layer) -> None:
    own = layer.attention
    _linear(spec.self_attention.linear[0], own.query, own.key, own.value)
    _linear(spec.self_attention.linear[1], own.out)
    _norm(spec.self_attention.layer_norm, layer.attention_norm)
    if layer.cross is not None and layer.cross_norm is not None:
        _cross(spec.attention, layer.cross, layer.cross_norm)
    _linear(spec.ffn.linear_0, layer.mlp_in)
    _linear(spec.ffn.linear_1, layer.mlp_out)
    _norm(spec.ffn.layer_norm, layer.mlp_norm)


def _cross(
    spec: attention_spec.MultiHeadAttentionSpec, cross: Attention, norm: nn.LayerNorm
) -> None:
    _linear(spec.linear[0], cross.query)
    _linear(spec.linear[1], cross.key, cross.value)
    _linear(spec.linear[2], cross.out)
    _norm(spec.layer_norm, norm)


def _linear(spec: common_spec.LinearSpec, *layers: nn.Linear) -> None:
    """Set a linear layer, or several that CTranslate2 wants stacked; a missing bias is zero."""
    spec.weight = np.concatenate([_array(layer.weight) for layer in layers])
    biases = [
        layer.bias if layer.bias is not None else torch.zeros(layer.out_features)
        for layer in layers
    ]
    spec.bias = np.concatenate([_array(bias) for bias in biases])


def _norm(spec: common_spec.LayerNormSpec, layer: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = _array(layer.weight), _array(layer.bias)


def _array(tensor: torch.Tensor | None) -> NDArray[np.float32]:
    assert tensor is not None
    # A copy: quantisation works in place and must not reach the trained network.
    return tensor.detach().to(torch.float32, copy=True).contiguous().numpy()


def main() -> None:
    """Export a checkpoint; the card is written by `services.whisper.demo.evaluate --write-card`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("var/speech-demo"), help="folder that training wrote"
    )
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER, help="folder to write")
    parser.add_argument("--note", default="", help="a remark on the data, for the card")
    options = parser.parse_args()
    state = torch.load(options.work / "checkpoint.pt", map_location="cpu", weights_only=True)
    model = averaged(state)
    export(model, load_tokenizer(options.work / "tokenizer.json"), options.model)
    lines = (options.work / "train" / "utterances.jsonl").read_text().count("\n")
    training = {
        "parameters": sum(p.numel() for p in model.parameters())
        - sum(p.numel() for p in model.phones.parameters()),
        "data": f"{lines} utterances of espeak-ng, disturbed anew at each hearing"
        + (f"; {options.note}" if options.note else ""),
        "minutes": round(state["seconds_done"] / 60, 1),
        "steps": state["batches_done"],
        "device": state["device_name"],
    }
    (options.model / "training.json").write_text(json.dumps(training, indent=2) + "\n")


if __name__ == "__main__":
    main()
