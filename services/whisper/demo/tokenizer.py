"""The model's own small vocabulary, laid out as Whisper's: text, special tokens, then times.

The order of the special tokens is that of openai/whisper's `tokenizer.py` with English as the only
language, so that faster-whisper and CTranslate2 find them by name. Times run from `<|0.00|>` to
`<|30.00|>` in steps of 20 ms.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from services.whisper.demo.grammar import vocabulary

TEXT_VOCABULARY = 1024
SPECIAL_TOKENS = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>",
    "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip
TIME_STEP_S = 0.02
LAST_TIME_STEP = 1500
TIME_TOKENS = tuple(f"<|{step * TIME_STEP_S:.2f}|>" for step in range(LAST_TIME_STEP + 1))


@dataclass(frozen=True)
class TokenIds:
    """The ids that training needs by name."""

    eot: int
    sot: int
    english: int
    transcribe: int
    previous: int
    no_speech: int
    no_timestamps: int
    first_time: int


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn byte-pair merges from sentences, all words of the grammar and all letters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TEXT_VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # A word that starts with an unmerged letter would need the bare space, which decoders suppress.
    letters = [
        f" {letter}" for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ] * 10_000
    words = [f" {word}" for word in vocabulary()] * 3
    tokenizer.train_from_iterator([*(f" {text}" for text in texts), *words, *letters], trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    # Whisper's times are not "special": decoding drops them only where a caller filters by id.
    tokenizer.add_tokens(
        [AddedToken(token, special=False, normalized=False) for token in TIME_TOKENS]
    )
    return tokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a `tokenizer.json`."""
    return Tokenizer.from_file(str(path))


def token_ids(tokenizer: Tokenizer) -> TokenIds:
    """Look the named tokens up.

    Raises:
        ValueError: the tokenizer lacks one of them.
    """

    def known(token: str) -> int:
        number = tokenizer.token_to_id(token)
        if number is None:
            raise ValueError(f"the tokenizer has no token {token}")
        return int(number)

    return TokenIds(
        eot=known("<|endoftext|>"),
        sot=known("<|startoftranscript|>"),
        english=known("<|en|>"),
        transcribe=known("<|transcribe|>"),
        previous=known("<|startofprev|>"),
        no_speech=known("<|nospeech|>"),
        no_timestamps=known("<|notimestamps|>"),
        first_time=known(TIME_TOKENS[0]),
    )
