"""Whisper models built in a second from numpy alone: no torch, no hub, no real weights.

Two kinds, both true CTranslate2 model folders that the real engine loads. ``build_scripted`` says
a given text whatever it hears, so that answers can be written out in tests; ``build_random`` says
nonsense that depends on the audio, so that any mix-up between windows shows.
"""

import json
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ctranslate2.specs import whisper_spec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

WIDTH = 64
HEADS = 2
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
    tokenizer = _tokenizer(multilingual)
    spec, rng = _spec(tokenizer, seed=1), np.random.default_rng(2)
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
    positions = np.zeros((MAX_TOKENS, WIDTH), np.float32)
    positions[:, -1] = 1
    projection = rng.normal(0, 0.01, (size, WIDTH)).astype(np.float32)
    projection[tokenizer.token_to_id("<|endoftext|>"), -1] += 4
    for position, token in enumerate(said):
        positions[position] = np.eye(WIDTH)[position]
        projection[tokenizer.token_to_id(token), position] += 4
    spec.decoder.position_encodings.encodings = positions
    spec.decoder.embeddings.weight = np.zeros((size, WIDTH), np.float32)
    spec.decoder.projection.weight = projection
    return _save(spec, tokenizer, folder)


def build_random(folder: Path, *, multilingual: bool = True, seed: int = 3) -> Path:
    """A model that says nonsense which depends on what it hears."""
    tokenizer = _tokenizer(multilingual)
    return _save(_spec(tokenizer, seed), tokenizer, folder)


def text_tokens(text: str) -> list[str]:
    """``text`` in the vocabulary's spelling: one token a byte, ``Ġ`` for a space."""
    return [piece for piece in text.replace(" ", "Ġ")]


def _tokenizer(multilingual: bool) -> Tokenizer:
    words = sorted(pre_tokenizers.ByteLevel.alphabet())
    words += [f"Ġ{first}{second}" for first in string.ascii_lowercase for second in "aeiou"]
    if multilingual:
        words.append(MULTILINGUAL_MARK)
    tokenizer = Tokenizer(models.BPE(vocab={w: n for n, w in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in TIMES])
    return tokenizer


def _spec(tokenizer: Tokenizer, seed: int) -> whisper_spec.WhisperSpec:
    rng = np.random.default_rng(seed)
    size = tokenizer.get_vocab_size()
    spec = whisper_spec.WhisperSpec(1, HEADS, 2, HEADS)

    def weights(*shape: int, scale: float = 1.0) -> np.ndarray:
        fan_in = int(np.prod(shape[1:]))
        return rng.normal(0, scale * fan_in**-0.5, shape).astype(np.float32)

    def linear(target: object, n_out: int, n_in: int, scale: float = 1.0) -> None:
        target.weight, target.bias = weights(n_out, n_in, scale=scale), np.zeros(n_out, np.float32)

    def norm(target: object) -> None:
        target.gamma, target.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)

    def block(layer: object) -> None:
        linear(layer.self_attention.linear[0], 3 * WIDTH, WIDTH)
        linear(layer.self_attention.linear[1], WIDTH, WIDTH)
        norm(layer.self_attention.layer_norm)
        linear(layer.ffn.linear_0, 2 * WIDTH, WIDTH)
        linear(layer.ffn.linear_1, WIDTH, 2 * WIDTH)
        norm(layer.ffn.layer_norm)

    for conv, n_in in ((spec.encoder.conv1, N_MELS), (spec.encoder.conv2, WIDTH)):
        conv.weight, conv.bias = weights(WIDTH, n_in, 3), np.zeros(WIDTH, np.float32)
    spec.encoder.position_encodings.encodings = weights(FRAMES, WIDTH)
    norm(spec.encoder.layer_norm)
    for layer in spec.encoder.layer:
        block(layer)
    for layer in spec.decoder.layer:
        block(layer)
        linear(layer.attention.linear[0], WIDTH, WIDTH, 4.0)
        linear(layer.attention.linear[1], 2 * WIDTH, WIDTH, 4.0)
        linear(layer.attention.linear[2], WIDTH, WIDTH, 4.0)
        norm(layer.attention.layer_norm)
    spec.decoder.embeddings.weight = weights(size, WIDTH, scale=4.0)
    spec.decoder.projection.weight = weights(size, WIDTH, scale=4.0)
    spec.decoder.position_encodings.encodings = weights(MAX_TOKENS, WIDTH, scale=2.0)
    norm(spec.decoder.layer_norm)
    return spec


def _save(spec: whisper_spec.WhisperSpec, tokenizer: Tokenizer, folder: Path) -> Path:
    tokens = {number: token for token, number in tokenizer.get_vocab().items()}
    spec.register_vocabulary([tokens[number] for number in range(len(tokens))])
    names = (*SPECIAL[1:-1],)
    spec.config.suppress_ids = [tokenizer.token_to_id(name) for name in names]
    spec.config.suppress_ids_begin = [tokenizer.token_to_id("Ġ")]
    spec.config.lang_ids = [tokenizer.token_to_id(f"<|{code}|>") for code in LANGUAGES]
    spec.config.alignment_heads = [[1, 0], [1, 1]]
    spec.validate()
    spec.optimize(quantization=None)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": N_MELS}))
    return folder
