import random

import pytest

from services.whisper.demo.card import MODEL_FOLDER
from services.whisper.demo.grammar import sentence
from services.whisper.demo.tokenizer import (
    SPECIAL_TOKENS,
    TEXT_VOCABULARY,
    load_tokenizer,
    token_ids,
    train_tokenizer,
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    rng = random.Random(1)
    return train_tokenizer(sentence(rng) for _ in range(500))


def test_text_survives_a_round_trip(tokenizer):
    rng = random.Random(2)

    for text in (sentence(rng) for _ in range(200)):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_unseen_text_survives_a_round_trip(tokenizer):
    text = "Zürich: naïve café, 25 µm ± 0.1 — 한국어"

    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_no_english_word_starts_with_the_bare_space(tokenizer):
    bare = tokenizer.token_to_id("Ġ")

    for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
        assert bare not in tokenizer.encode(f" {letter}zq").ids


def test_times_follow_the_special_tokens_in_steps_of_20_ms(tokenizer):
    first = token_ids(tokenizer).first_time

    assert first == TEXT_VOCABULARY + len(SPECIAL_TOKENS)
    assert tokenizer.id_to_token(first + 51) == "<|1.02|>"
    assert tokenizer.id_to_token(first + 1500) == "<|30.00|>"
    assert tokenizer.get_vocab_size() == first + 1501


def test_shipped_tokenizer_has_the_layout_that_training_writes():
    shipped = load_tokenizer(MODEL_FOLDER / "tokenizer.json")

    assert token_ids(shipped).first_time == TEXT_VOCABULARY + len(SPECIAL_TOKENS)
