import multiprocessing
from itertools import islice

import numpy as np
import pytest

from services.whisper.demo.batches import BatchStream, draw_plan
from services.whisper.demo.card import MODEL_FOLDER
from services.whisper.demo.corpus import Corpus, make_corpus
from services.whisper.demo.tokenizer import load_tokenizer, token_ids
from services.whisper.demo.windows import WINDOW_S, TargetMaker


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, size=10, seed=1, held_out=False, processes=1)
    return folder


@pytest.fixture(scope="module")
def corpus(corpus_folder):
    return Corpus(corpus_folder)


def _stream(corpus, progress, first=0):
    tokenizer = load_tokenizer(MODEL_FOLDER / "tokenizer.json")
    maker = TargetMaker(tokenizer, token_ids(tokenizer))
    place = multiprocessing.Value("d", progress)
    return BatchStream(corpus, maker, {"t": 1}, seed=4, first=first, progress=place, batch_s=20.0)


@pytest.mark.parametrize("progress", [0.0, 0.5, 0.95])
def test_parts_of_a_batch_fit_together(corpus, progress):
    batch = next(iter(_stream(corpus, progress)))

    n_windows, n_mels, n_frames = batch.features.shape
    assert n_mels == 80
    assert batch.phones.shape == (n_windows, n_frames // 2)
    assert batch.tokens.shape == batch.targets.shape == batch.spans.shape[:2]
    assert batch.offset + n_frames // 2 <= 1500
    assert int(batch.spans.max()) <= n_frames // 2 + 10


def test_the_same_seed_makes_the_same_batch(corpus):
    first, second = next(iter(_stream(corpus, 0.5))), next(iter(_stream(corpus, 0.5)))

    assert first.features.equal(second.features)
    assert first.tokens.equal(second.tokens)


def test_a_stream_that_begins_later_goes_on_with_the_batches_that_would_have_followed(corpus):
    _, second = islice(_stream(corpus, 0.5), 2)
    resumed = next(iter(_stream(corpus, 0.5, first=1)))

    assert resumed.features.equal(second.features)
    assert resumed.tokens.equal(second.tokens)


def test_a_corpus_travels_to_another_process_as_its_folder(corpus, corpus_folder):
    rebuild, arguments = corpus.__reduce__()

    assert arguments == (corpus_folder,)
    assert rebuild(*arguments).texts() == corpus.texts()


def test_early_plans_are_short_and_late_plans_reach_30_seconds():
    rng = np.random.default_rng(1)

    early = [draw_plan(0.0, rng) for _ in range(100)]
    late = [draw_plan(0.9, rng) for _ in range(100)]

    assert max(plan.padded_s for plan in early) <= 5.0
    assert max(plan.padded_s for plan in late) == 30.0
    assert max(plan.audio_s for plan in late) <= WINDOW_S
