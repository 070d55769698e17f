import json

from services.whisper.demo.card import MODEL_FOLDER, NAME, digest, write_card


def test_card_describes_the_shipped_weights():
    card = json.loads((MODEL_FOLDER / "card.json").read_text())

    assert card["name"] == NAME
    assert card["demo"] is True
    assert card["languages"] == ["en"]
    assert card["sha256"]["model.bin"] == digest(MODEL_FOLDER / "model.bin")


def test_page_and_card_tell_the_same_figures():
    card = json.loads((MODEL_FOLDER / "card.json").read_text())
    page = (MODEL_FOLDER / "MODEL_CARD.md").read_text()

    assert f"| wer clean | {card['held_out']['wer_clean']:.3f} |" in page
    assert card["sha256"]["model.bin"][:16] in page


def test_shipped_weights_stay_small():
    assert (MODEL_FOLDER / "model.bin").stat().st_size <= 8 * 2**20


def test_card_is_written_from_figures_and_training(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"weights")
    training = {
        "parameters": 5,
        "data": "2 utterances",
        "minutes": 1.5,
        "steps": 7,
        "device": "an abacus",
    }
    (tmp_path / "training.json").write_text(json.dumps(training))

    write_card(tmp_path, {"wer_clean": 0.25}, {"jfk.flac": 1.1})

    card = json.loads((tmp_path / "card.json").read_text())
    page = (tmp_path / "MODEL_CARD.md").read_text()
    assert card["held_out"] == {"wer_clean": 0.25}
    # sha256sum of the seven bytes "weights"
    assert card["sha256"]["model.bin"].startswith("9a129038d9a00aed")
    assert "| wer clean | 0.250 |" in page
    assert "an abacus" in page
    assert "| jfk.flac | 1.100 |" in page
