import numpy as np
import pytest

from services.whisper.demo.corpus import Corpus, make_corpus
from services.whisper.demo.grammar import is_held_out
from services.whisper.demo.voices import HELD_OUT_VARIANTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, size=12, seed=3, held_out=True, processes=1)
    return folder


def test_held_out_corpus_has_only_held_out_voices_and_sentences(folder):
    corpus = Corpus(folder)

    assert len(corpus) == 12
    assert all(is_held_out(text) for text in corpus.texts())
    assert len(set(corpus.texts())) == 12
    assert all(corpus[i].delivery.voice.split("+")[1] in HELD_OUT_VARIANTS for i in range(12))


def test_utterances_are_read_back_with_their_own_audio(folder):
    corpus = Corpus(folder)

    for index in range(12):
        utterance = corpus[index]
        assert len(utterance.audio) == round(corpus.durations_s[index] * 16_000)
        assert utterance.words[-1].end_s <= corpus.durations_s[index]
        assert np.abs(utterance.audio.astype(int)).max() > 1000


def test_the_same_seed_makes_the_same_corpus(folder, tmp_path):
    make_corpus(tmp_path, size=12, seed=3, held_out=True, processes=1)

    assert (tmp_path / "utterances.jsonl").read_text() == (folder / "utterances.jsonl").read_text()
    assert np.array_equal(np.load(tmp_path / "audio.npy"), np.load(folder / "audio.npy"))
