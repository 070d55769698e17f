"""Both libraries do the same with the same networks, each in the process that tests run in."""

import sys
from contextlib import contextmanager
from dataclasses import asdict

import numpy as np
import pytest

from services.ocr.crops import SearchSize, bucket_width_px, cut, search_picture
from services.ocr.engines.options import EngineOptions
from services.ocr.tests.conftest import draw_page

TEXT = "Position 0.2 mm"

looked_up = []
"""Names and addresses that this process asked for while ``is_watching``."""
is_watching = False


def note_network(event, arguments):
    if is_watching and event in ("socket.getaddrinfo", "socket.connect", "socket.gethostbyname"):
        looked_up.append((event, arguments))


sys.addaudithook(note_network)


@pytest.fixture(scope="module", params=["onnxruntime", "openvino", "paddle"])
def engines(request, tmp_path_factory):
    """A detector and a recogniser, loaded and warmed up."""
    # Imported here so that the other libraries are not loaded for a run of some tests.
    if request.param == "paddle":
        from services.ocr.engines import paddle as library
    else:
        from services.ocr.engines import rapid as library
    runtime = "auto" if request.param == "paddle" else request.param
    models_dir = str(tmp_path_factory.mktemp("models"))
    options = asdict(EngineOptions(models_dir=models_dir, device="cpu", threads=2, runtime=runtime))
    pair = library.create_detector(options), library.create_recogniser(options)
    with watched_network():
        for engine in pair:
            engine.load()
            engine.warm_up()
    yield pair
    for engine in pair:
        engine.close()


@contextmanager
def watched_network():
    global is_watching
    is_watching = True
    try:
        yield
    finally:
        is_watching = False


def test_loading_asks_no_other_machine(engines):
    assert looked_up == []


def test_a_line_is_found_and_read(engines):
    detector, recogniser = engines
    page = np.asarray(draw_page([((40, 60), TEXT)], size=(704, 640)))
    searched = search_picture(page, SearchSize())

    (found,) = detector.run((), [searched])
    crop = cut(page, found.polygons[0])
    (reading,) = recogniser.run(("pp-ocrv6-small", bucket_width_px(crop)), [crop])

    assert len(found.polygons) == 1
    assert reading.text == TEXT
    assert reading.confidence > 0.9
    assert len(reading.positions) == len(TEXT)
    assert (np.diff(reading.positions) > 0).all()


def test_empty_picture_holds_nothing(engines):
    detector, recogniser = engines
    empty = np.full((320, 320, 3), 255, np.uint8)

    (found,) = detector.run((), [empty])
    (reading,) = recogniser.run(("pp-ocrv6-small", 64), [empty[:48, :48]])

    assert found.polygons.shape == (0, 4, 2)
    assert reading.text == ""


def test_several_payloads_give_the_answers_of_each_alone(engines):
    _, recogniser = engines
    crops = [np.asarray(draw_page([((8, 4), f"Crop {n}")], size=(128, 40))) for n in range(3)]
    key = ("pp-ocrv6-small", bucket_width_px(crops[0]))

    together = recogniser.run(key, crops)

    assert [each.text for each in together] == ["Crop 0", "Crop 1", "Crop 2"]
    alone = [recogniser.run(key, [crop])[0] for crop in crops]
    # Larger batches may take other kernels, which round differently.
    assert [each.confidence for each in together] == pytest.approx(
        [each.confidence for each in alone], abs=1e-3
    )


def test_pictures_searched_together_give_what_each_gives_alone(engines):
    detector, _ = engines
    pages = [np.asarray(draw_page([((40, 40 * n), TEXT)], size=(448, 160))) for n in range(1, 4)]

    together = detector.run((448, 160), pages)

    alone = [detector.run((448, 160), [page])[0] for page in pages]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.polygons, other.polygons, atol=1)
    assert [len(each.polygons) for each in together] == [1, 1, 1]


def test_what_openvino_keeps_of_the_sizes_it_meets_is_bounded(tmp_path, monkeypatch):
    import openvino

    from services.ocr.engines import rapid

    told = []

    class Core(openvino.Core):
        def compile_model(self, model, device_name, config=None):
            told.append(config)
            return super().compile_model(model, device_name, config or {})

    monkeypatch.setattr(openvino, "Core", Core)
    options = EngineOptions(models_dir=str(tmp_path), device="cpu", threads=1, runtime="openvino")
    library, weights = rapid.RapidOcr(), options.weights().detector
    detector = library.open_detector(weights, options, library.choose_device(options, weights))

    assert told[-1]["CPU_RUNTIME_CACHE_CAPACITY"] == str(rapid.KEPT_OPERATIONS)
    assert len(detector([np.zeros((64, 96, 3), np.uint8)])) == 1  # and it runs
