import numpy as np
import pytest
import torch
from ctranslate2 import StorageView
from ctranslate2.models import Whisper
from faster_whisper import WhisperModel

from services.whisper.demo.card import MODEL_FOLDER
from services.whisper.demo.export import averaged, export
from services.whisper.demo.model import Size, SpeechModel, sinusoids
from services.whisper.demo.tokenizer import load_tokenizer, token_ids


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(MODEL_FOLDER / "tokenizer.json")


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(1)
    size = Size(tokenizer.get_vocab_size(), 12, width=64, n_heads=2, encoder_layers=2)
    return SpeechModel(size).eval()


@pytest.fixture(scope="module")
def folder(model, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    export(model, tokenizer, folder)
    return folder


def test_forward_gives_scores_phones_and_attention_of_the_right_shapes(model):
    with torch.no_grad():
        output = model(torch.randn((3, 80, 100)), torch.zeros((3, 7), dtype=torch.long), offset=40)

    assert output.logits.shape == (3, 7, model.size.vocabulary)
    assert output.phones.shape == (3, 50, 12)
    assert [weights.shape for weights in output.attention] == [(3, 2, 7, 50)] * 2
    torch.testing.assert_close(output.attention[0].sum(-1), torch.ones((3, 2, 7)))


def test_later_tokens_do_not_change_earlier_scores(model):
    features = torch.randn((1, 80, 60))

    with torch.no_grad():
        short = model(features, torch.tensor([[5, 6]])).logits
        long = model(features, torch.tensor([[5, 6, 7, 8]])).logits

    torch.testing.assert_close(long[:, :2], short, atol=1e-5, rtol=1e-4)


def test_positions_start_with_zero_angle():
    table = sinusoids(3, 8)

    assert table[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert float(table[2, 0]) == pytest.approx(np.sin(2.0))


def test_averaged_weights_of_a_checkpoint_make_the_network_again():
    trained = SpeechModel(Size(vocabulary=1700, n_phones=12))

    again = averaged({"average": trained.state_dict()})

    assert again.size == trained.size
    torch.testing.assert_close(again.state_dict(), trained.state_dict())


def test_exported_encoder_agrees_with_the_trained_one(model, folder):
    features = torch.randn((2, 80, 200))

    exported = Whisper(str(folder), compute_type="int8").encode(
        StorageView.from_array(features.numpy()), to_cpu=True
    )

    with torch.no_grad():
        expected = model.encode(features).numpy()
    # int8 weights move values a little; a wrong layer order would give no correlation.
    assert np.corrcoef(np.asarray(exported).ravel(), expected.ravel())[0, 1] > 0.99


def test_exported_decoder_prefers_the_token_that_the_trained_one_prefers(model, folder, tokenizer):
    ids = token_ids(tokenizer)
    features = torch.randn((1, 80, 200))
    prompt = [ids.sot, ids.no_timestamps]

    engine = Whisper(str(folder), compute_type="int8")
    said = engine.generate(
        StorageView.from_array(features.numpy()), [prompt], beam_size=1, max_length=6
    )[0].sequences_ids[0]

    with torch.no_grad():
        scores = model(features, torch.tensor([prompt])).logits[0, -1, : ids.eot]
    assert said[0] in scores.topk(5).indices  # int8 may swap near ties


def test_folder_loads_in_faster_whisper_as_an_english_only_model(folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    model = WhisperModel(str(folder), device="cpu", compute_type="int8")

    assert not model.model.is_multilingual
    assert model.supported_languages == ["en"]
