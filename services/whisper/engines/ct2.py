"""The recogniser: Whisper on CTranslate2, with a decode loop of our own.

Windows of different requests, languages and tasks go through one ``generate``; what CTranslate2
asks of a batch (same place of the start token, same options) is held here and by the batch key.
On a CPU a batch is spread over replicas that share the weights. faster-whisper lends its tokenizer;
its batched pipeline is not used, because it drops the second attempts and the tests for silence.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np

from services.whisper.decoding import needs_another_attempt
from services.whisper.engines.encoded import Encoded, as_view, encode
from services.whisper.engines.heap import keep_heap, outside_heap
from services.whisper.engines.probe import cost_s, last_paying, paying_batch_size
from services.whisper.engines.replicas import Replicas, Split, even_splits
from services.whisper.engines.tokens import MAX_CONTEXT_TOKENS, WindowTokens
from services.whisper.models import choose_model
from services.whisper.tasks import DecodeOptions, FloatArray, WindowResult, WindowTask
from shared.cgroup import usable_cores
from shared.engine import Engine, EngineInfo
from shared.errors import EngineError
from shared.gpu.device import Device, choose_device
from shared.models.digests import sha256_of
from shared.models.store import ModelStore

log = logging.getLogger(__name__)

LARGEST_CPU_BATCH, LARGEST_GPU_BATCH = 8, 16
"""Bounds of a batch whose size is left to the engine. 16 on a GPU take about 3.5 GB for a large
model."""

WINDOW_FRAMES = 3000
"""Thirty seconds: the encoder was trained on nothing else."""

PROBE_TOKENS, PROBE_FRAMES = 8, 1000


class Recogniser:
    """Runs one Whisper model."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Remember what to load.

        Args:
            options: ``service_dir``, ``models_dir`` and ``model`` as ``ModelStore`` wants them,
                ``device``, ``compute_type``, ``threads`` (0: the CPU quota), ``replicas`` that
                share them on a CPU (0: as many as pay) and ``max_batch_size`` (0: what pays);
                what pays is measured at ``beam_size``.
        """
        self._options = options

    def load(self) -> EngineInfo:
        """Load the weights onto the device.

        Raises:
            ModelMissing: a file is not on this machine.
            DeviceUnavailable: the device that the settings name cannot be used.
            EngineError: the files are not a Whisper model of CTranslate2.
        """
        device = choose_device(
            self._options["device"], runtime_gpus=ctranslate2.get_cuda_device_count
        )
        store = ModelStore(Path(self._options["service_dir"]), Path(self._options["models_dir"]))
        facts = choose_model(store, self._options["model"], on_gpu=device.is_gpu)
        self._on_cpu = not device.is_gpu
        if self._on_cpu:
            keep_heap()
        open_model = partial(self._open, facts.folder, device)
        splits = self._splits()
        self._use(open_model(splits[0]))
        self._tokens = WindowTokens(facts.folder, is_multilingual=self._model.is_multilingual)
        self._languages = facts.languages or tuple(self._known_languages(facts.folder))
        if len(splits) > 1:
            self._use_best(splits, open_model)
        max_batch_size = self._options["max_batch_size"] or self._paying_batch_size()
        return EngineInfo(
            model=facts.name,
            device=device.name,
            compute_type=self._model.compute_type,
            fallback_reason=device.fallback_reason,
            device_reason=device.reason,
            demo=facts.demo,
            licence=facts.licence,
            max_batch_size=max_batch_size,
            details=(
                ("languages", list(self._languages)),
                ("window_s", facts.window_s),
                ("n_mels", self._model.n_mels),
                ("digest", sha256_of(facts.folder / "model.bin")),
                ("can_translate", self._model.is_multilingual and facts.can_translate),
            ),
        )

    def warm_up(self) -> None:
        """Recognise silent windows, words included, so that every kernel has run once."""
        task = WindowTask(
            np.zeros((self._model.n_mels, 100), np.float32), 1.0,
            self._languages[0], has_words=True,
        )  # fmt: skip
        for batch in (1, self._replicas.split.replicas + 1):
            for result in self.run(DecodeOptions(max_new_tokens=4), [task] * batch):
                if not isinstance(result, WindowResult):
                    raise EngineError("the model cannot recognise a silent window") from result

    def run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        """Recognise windows; ``key`` is their ``DecodeOptions``, the payloads ``WindowTask``."""
        assert isinstance(key, DecodeOptions)
        return self._replicas.spread(partial(self._recognise, key), payloads)

    def close(self) -> None:
        """Free the weights."""
        if hasattr(self, "_replicas"):
            self._replicas.close()

    # Loading

    def _splits(self) -> list[Split]:
        """Ways to divide the cores from which the best is chosen, that of fewest replicas first."""
        threads = self._options["threads"] or usable_cores()
        wanted = self._options["replicas"] if self._on_cpu else 1
        if wanted:
            return [Split(wanted, max(1, threads // wanted))]
        return list(even_splits(threads))

    def _open(self, folder: Path, device: Device, split: Split) -> Replicas:
        compute_type = self._options["compute_type"]
        if compute_type == "auto":
            compute_type = "float16" if device.is_gpu else "int8"
        try:
            with outside_heap() if self._on_cpu else nullcontext():
                return Replicas(folder, device, compute_type=compute_type, split=split)
        except (RuntimeError, ValueError) as error:
            log.exception("%s cannot be loaded", folder)
            raise EngineError(f"the model in {folder} cannot be loaded on {device.name}") from error

    def _use(self, replicas: Replicas) -> None:
        self._replicas, self._model = replicas, replicas.model

    def _use_best(self, splits: Sequence[Split], open_model: Callable[[Split], Replicas]) -> None:
        """Settle how the cores are divided: a window for each core is recognised in each way."""
        noise = self._noise(PROBE_FRAMES)

        def recognise(windows: Sequence[FloatArray]) -> Sequence[None]:
            encoded = encode(self._model, np.stack(windows), on_cpu=True)
            return self._decode_probe(encoded.view, len(windows))

        def change_to(split: Split) -> None:
            if split != self._replicas.split:
                self._replicas.close()  # before the next is loaded: there may be room for one only
                self._use(open_model(split))

        def cost(split: Split) -> float:
            change_to(split)
            windows = [noise] * (split.replicas * split.threads)
            return cost_s(
                lambda size: self._replicas.spread(recognise, windows[:size]), len(windows)
            )

        change_to(last_paying(splits, cost))

    def _paying_batch_size(self) -> int:
        """Decode a few tokens of noise in batches of several sizes."""
        if not self._on_cpu:
            return LARGEST_GPU_BATCH
        features = self._noise(WINDOW_FRAMES)
        states = np.array(self._model.encode(as_view(features[np.newaxis])))

        def decode(rows: Sequence[int]) -> Sequence[None]:
            return self._decode_probe(as_view(np.repeat(states, len(rows), axis=0)), len(rows))

        return paying_batch_size(
            lambda size: self._replicas.spread(decode, range(size)),
            least=self._replicas.split.replicas,
            most=LARGEST_CPU_BATCH,
        )

    def _noise(self, n_frames: int) -> FloatArray:
        noise = np.random.default_rng(0).normal(0, 1, (self._model.n_mels, n_frames))
        return noise.astype(np.float32)

    def _decode_probe(self, states: Any, count: int) -> Sequence[None]:  # noqa: ANN401 - untyped
        start = self._tokens.start("transcribe", self._languages[0])
        self._model.generate(
            states,
            [start] * count,
            beam_size=self._options["beam_size"],
            max_length=2 * PROBE_TOKENS,
            suppress_tokens=[-1, self._tokens.end],
        )
        return [None] * count

    def _known_languages(self, folder: Path) -> Iterable[str]:
        if not self._model.is_multilingual:
            return ["en"]
        config = json.loads((folder / "config.json").read_text())
        return self._tokens.languages(config["lang_ids"])

    # Recognising

    def _recognise(self, options: DecodeOptions, tasks: Sequence[WindowTask]) -> list[Any]:
        """Recognise windows together; called on several threads at once."""
        encoded = self._encode(tasks, is_encoded=options.is_encoded)
        voices = self._languages_of(tasks, encoded)
        results: list[Any] = [None] * len(tasks)
        prompts = [
            self._tokens.prompt(task, voice[0]) for task, voice in zip(tasks, voices, strict=True)
        ]
        for rows in _grouped(len(prompt) for prompt in prompts):
            said = self._generate(encoded.rows(rows), [prompts[row] for row in rows], options)
            for row, result in zip(rows, said, strict=True):
                results[row] = self._tokens.result(tasks[row], voices[row], result, options)
        self._time_words(tasks, results, encoded)
        if self._on_cpu:
            results = [_with_states(each, encoded, row) for row, each in enumerate(results)]
        return results

    def _encode(self, tasks: Sequence[WindowTask], *, is_encoded: bool) -> Encoded:
        if is_encoded:
            states = np.stack([task.audio for task in tasks])
            return Encoded(self._model, as_view(states), states)
        features = np.zeros((len(tasks), self._model.n_mels, WINDOW_FRAMES), np.float32)
        for row, task in zip(features, tasks, strict=True):
            frames = min(task.audio.shape[1], WINDOW_FRAMES)
            row[:, :frames] = task.audio[:, :frames]
        return encode(self._model, features, on_cpu=self._on_cpu)

    def _languages_of(
        self, tasks: Sequence[WindowTask], encoded: Encoded
    ) -> list[tuple[str, float]]:
        """Language and its probability for each task; detected for those that name none."""
        known = [(task.language or self._languages[0], 1.0) for task in tasks]
        rows = [row for row, task in enumerate(tasks) if task.language is None]
        if not rows or not self._model.is_multilingual:
            return known
        for row, heard in zip(rows, self._model.detect_language(encoded.rows(rows)), strict=True):
            wanted = tasks[row].languages or self._languages
            likely = [(token[2:-2], prob) for token, prob in heard if token[2:-2] in wanted]
            known[row] = likely[0] if likely else known[row]
        return known

    def _generate(
        self,
        states: Any,  # noqa: ANN401 - untyped library
        prompts: Sequence[list[int]],
        options: DecodeOptions,
    ) -> list[Any]:
        # CTranslate2 decodes at most half of ``max_length``, and at most what the prompt leaves.
        wanted, length = options.max_new_tokens, len(prompts[0])
        how: dict[str, Any] = {"beam_size": options.beam_size}
        if options.temperature > 0:
            how = {
                "beam_size": 1,
                "num_hypotheses": options.best_of,
                "sampling_topk": 0,
                "sampling_temperature": options.temperature,
            }
        said: list[Any] = self._model.generate(
            states,
            prompts,
            **how,
            max_length=min(MAX_CONTEXT_TOKENS, max(2 * wanted, wanted + length - 1)),
            repetition_penalty=options.repetition_penalty,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return said

    def _time_words(
        self, tasks: Sequence[WindowTask], results: list[Any], encoded: Encoded
    ) -> None:
        """Align the text of those that want words; one call for each language and task."""
        text_tokens = [self._tokens.text_tokens(result) for result in results]
        wanted = [row for row, task in enumerate(tasks) if task.has_words and text_tokens[row]]
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row in wanted:
            groups[(results[row].language, tasks[row].task)].append(row)
        for (language, _), rows in groups.items():
            aligned = self._model.align(
                encoded.rows(rows),
                self._tokens.start(tasks[rows[0]].task, language),
                [text_tokens[row] for row in rows],
                [_state_frames(tasks[row].duration_s) for row in rows],
            )
            for row, alignment in zip(rows, aligned, strict=True):
                results[row] = self._tokens.with_words(results[row], alignment)


def _with_states(result: WindowResult, encoded: Encoded, row: int) -> WindowResult:
    """With what a further attempt needs, if there will be one."""
    if encoded.states is None or not _failed(result):
        return result
    return replace(result, encoded=encoded.states[row])


def _failed(result: WindowResult) -> bool:
    return needs_another_attempt(
        avg_logprob=result.avg_logprob,
        ratio=result.compression_ratio,
        no_speech_prob=result.no_speech_prob,
        has_loop=result.is_loop,
    )


def _grouped(keys: Iterable[int]) -> list[list[int]]:
    """Row numbers with equal keys, together."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[key].append(row)
    return list(groups.values())


def _state_frames(duration_s: float) -> int:
    """Frames of a window that are not filling; fewer than two cannot be aligned."""
    return max(2, min(WINDOW_FRAMES, round(duration_s * 100)))


def create_recogniser(options: Mapping[str, Any]) -> Engine:
    """Called by the recogniser's process."""
    return Recogniser(options)
