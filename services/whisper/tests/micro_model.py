"""Whisper models built in a second from numpy alone: no torch, no hub, no real weights.

Two kinds, both true CTranslate2 model folders that the real engine loads. ``build_scripted`` says
a given text whatever it hears, so that answers can be written out in tests; ``build_random`` says
nonsense that depends on the audio, so that any mix-up between windows shows.
"""

import json
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ctranslate2.specs import whisper_spec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

N_MELS = 80
MAX_TOKENS = 448
FRAMES = 1500
LANGUAGES = ("en", "ko", "de")
SPECIAL = (
    "<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES),
    "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>",
    "<|notimestamps|>",
)  # fmt: skip
TIMES = tuple(f"<|{step * 0.02:.2f}|>" for step in range(FRAMES + 1))


@dataclass(frozen=True)
class Shape:
    """Size of a model."""

    width: int = 64
    heads: int = 2
    encoder_layers: int = 1
    decoder_layers: int = 2
    extra_tokens: int = 0  # meaningless words that fill the vocabulary up


MICRO = Shape()
TINY = Shape(384, 6, 4, 4, extra_tokens=50_000)
SMALL = Shape(768, 12, 12, 12, extra_tokens=50_000)
"""Shapes of Whisper tiny and small: for measurements of speed."""

MULTILINGUAL_MARK = ""
"""CTranslate2 (4.8) calls a Whisper model multilingual when its vocabulary has an empty token, as
OpenAI's multilingual one has."""


def build_scripted(folder: Path, script: Sequence[str], *, multilingual: bool = True) -> Path:
    """A model that says ``script``, then ends, whatever it hears.

    Args:
        folder: where to write it.
        script: tokens as the vocabulary spells them: words of ``text_tokens`` and times such as
            ``<|1.00|>``.
        multilingual: whether prompts hold a language and a task.
    """
    tokenizer = _tokenizer(multilingual, MICRO)
    spec, rng, width = _spec(tokenizer, 1, MICRO), np.random.default_rng(2), MICRO.width
    size = tokenizer.get_vocab_size()
    prompt = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>"][: 3 if multilingual else 1]
    said = [*prompt[1:], *script, "<|endoftext|>"]
    # Layers are silenced, so the state at a position is that position alone; each position is a
    # direction of its own, and the token to be said next points the same way.
    for layer in spec.decoder.layer:
        for linear in (
            layer.self_attention.linear[1],
            layer.attention.linear[2],
            layer.ffn.linear_1,
        ):
            linear.weight = np.zeros_like(linear.weight)
    positions = np.zeros((MAX_TOKENS, width), np.float32)
    positions[:, -1] = 1
    projection = rng.normal(0, 0.01, (size, width)).astype(np.float32)
    projection[tokenizer.token_to_id("<|endoftext|>"), -1] += 4
    for position, token in enumerate(said):
        positions[position] = np.eye(width)[position]
        projection[tokenizer.token_to_id(token), position] += 4
    spec.decoder.position_encodings.encodings = positions
    spec.decoder.embeddings.weight = np.zeros((size, width), np.float32)
    spec.decoder.projection.weight = projection
    return _save(spec, tokenizer, folder)


def build_random(folder: Path, *, shape: Shape = MICRO, is_endless: bool = False) -> Path:
    """A multilingual model that says nonsense which depends on what it hears.

    Args:
        folder: where to write it.
        shape: its size.
        is_endless: whether it goes on to the most tokens allowed, without further times, for
            measurements of speed.
    """
    tokenizer = _tokenizer(multilingual=True, shape=shape)
    spec = _spec(tokenizer, 3, shape)
    return _save(spec, tokenizer, folder, never=("<|endoftext|>", *TIMES[1:]) if is_endless else ())


def text_tokens(text: str) -> list[str]:
    """``text`` in the vocabulary's spelling: one token a byte, ``Ġ`` for a space."""
    return [piece for piece in text.replace(" ", "Ġ")]


def _tokenizer(multilingual: bool, shape: Shape) -> Tokenizer:
    words = sorted(pre_tokenizers.ByteLevel.alphabet())
    words += [f"Ġ{first}{second}" for first in string.ascii_lowercase for second in "aeiou"]
    words += [f"Ġ{number}" for number in range(shape.extra_tokens)]
    if multilingual:
        words.append(MULTILINGUAL_MARK)
    tokenizer = Tokenizer(models.BPE(vocab={w: n for n, w in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in TIMES])
    return tokenizer


def _spec(tokenizer: Tokenizer, seed: int, shape: Shape) -> whisper_spec.WhisperSpec:
    width = shape.width
    rng = np.random.default_rng(seed)
    size = tokenizer.get_vocab_size()
    spec = whisper_spec.WhisperSpec(
        shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads
    )

    def weights(*shape: int, scale: float = 1.0) -> np.ndarray:
        fan_in = int(np.prod(shape[1:]))
        return rng.normal(0, scale * fan_in**-0.5, shape).astype(np.float32)

    def linear(target: object, n_out: int, n_in: int, scale: float = 1.0) -> None:
        target.weight, target.bias = weights(n_out, n_in, scale=scale), np.zeros(n_out, np.float32)

    def norm(target: object) -> None:
        target.gamma, target.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def block(layer: object) -> None:
        linear(layer.self_attention.linear[0], 3 * width, width)
        linear(layer.self_attention.linear[1], width, width)
        norm(layer.self_attention.layer_norm)
        linear(layer.ffn.linear_0, 4 * width, width)
        linear(layer.ffn.linear_1, width, 4 * width)
        norm(layer.ffn.layer_norm)

    for conv, n_in in ((spec.encoder.conv1, N_MELS), (spec.encoder.conv2, width)):
        conv.weight, conv.bias = weights(width, n_in, 3), np.zeros(width, np.float32)
    spec.encoder.position_encodings.encodings = weights(FRAMES, width)
    norm(spec.encoder.layer_norm)
    for layer in spec.encoder.layer:
        block(layer)
    for layer in spec.decoder.layer:
        block(layer)
        linear(layer.attention.linear[0], width, width, 4.0)
        linear(layer.attention.linear[1], 2 * width, width, 4.0)
        linear(layer.attention.linear[2], width, width, 4.0)
        norm(layer.attention.layer_norm)
    spec.decoder.embeddings.weight = weights(size, width, scale=4.0)
    spec.decoder.projection.weight = weights(size, width, scale=4.0)
    spec.decoder.position_encodings.encodings = weights(MAX_TOKENS, width, scale=2.0)
    norm(spec.decoder.layer_norm)
    return spec


def _save(
    spec: whisper_spec.WhisperSpec, tokenizer: Tokenizer, folder: Path, never: Sequence[str] = ()
) -> Path:
    tokens = {number: token for token, number in tokenizer.get_vocab().items()}
    spec.register_vocabulary([tokens[number] for number in range(len(tokens))])
    unsaid = (*SPECIAL[1:-1], *never)
    spec.config.suppress_ids = [tokenizer.token_to_id(name) for name in unsaid]
    spec.config.suppress_ids_begin = [tokenizer.token_to_id("Ġ")]
    spec.config.lang_ids = [tokenizer.token_to_id(f"<|{code}|>") for code in LANGUAGES]
    last = len(spec.decoder.layer) - 1
    spec.config.alignment_heads = [[last, 0], [last, 1]]
    spec.validate()
    spec.optimize(quantization=None)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": N_MELS}))
    return folder
