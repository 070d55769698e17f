"""The recogniser: Whisper on CTranslate2, with a decode loop of our own.

Windows of different requests, languages and tasks go through one ``encode`` and one ``generate``;
what CTranslate2 asks of a batch (same place of the start token, same options) is held here and by
the batch key. faster-whisper lends its tokenizer; its batched pipeline is not used, because it
drops the second attempts and the tests for silence.
"""

import itertools
import json
import logging
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tokenizers
from faster_whisper.tokenizer import Tokenizer

from services.whisper.decoding import (
    TimedWord,
    TokenSegment,
    compression_ratio,
    is_loop,
    needs_another_attempt,
    split_segments,
    timed_words,
    token_bytes,
)
from services.whisper.engines.probe import paying_batch_size
from services.whisper.models import choose_model
from services.whisper.tasks import (
    DecodeOptions,
    FloatArray,
    SpokenSegment,
    SpokenWord,
    TokenScore,
    WindowResult,
    WindowTask,
)
from shared.cgroup import usable_cores
from shared.engine import Engine, EngineInfo
from shared.errors import EngineError, InvalidInput
from shared.gpu.device import Device, choose_device
from shared.models.digests import sha256_of
from shared.models.store import ModelStore

log = logging.getLogger(__name__)

MAX_CONTEXT_TOKENS = 448
MAX_PROMPT_TOKENS = MAX_CONTEXT_TOKENS // 2 - 1
MIN_PROBABILITY = 1e-10
"""Keeps the logarithm finite."""

PROBE_TOKENS = 8
WINDOW_FRAMES = 3000
"""Thirty seconds: the encoder was trained on nothing else."""


class Recogniser:
    """Runs one Whisper model."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Remember what to load.

        Args:
            options: ``service_dir``, ``models_dir`` and ``model`` as ``ModelStore`` wants them,
                ``device``, ``compute_type`` and ``threads`` (0: the CPU quota); with
                ``probe_batches`` it is measured at ``beam_size`` whether batches pay on the CPU.
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
        self._model = self._open(facts.folder, device)
        self._vocabulary = tokenizers.Tokenizer.from_file(str(facts.folder / "tokenizer.json"))
        self._tokens = Tokenizer(self._vocabulary, multilingual=False)
        self._on_cpu = not device.is_gpu
        self._languages = facts.languages or tuple(self._known_languages(facts.folder))
        probes = self._on_cpu and self._options.get("probe_batches")
        return EngineInfo(
            model=facts.name,
            device=device.name,
            compute_type=self._model.compute_type,
            fallback_reason=device.fallback_reason,
            device_reason=device.reason,
            demo=facts.demo,
            licence=facts.licence,
            max_batch_size=self._paying_batch_size() if probes else None,
            details=(
                ("languages", list(self._languages)),
                ("window_s", facts.window_s),
                ("n_mels", self._model.n_mels),
                ("digest", sha256_of(facts.folder / "model.bin")),
                ("can_translate", self._model.is_multilingual and facts.can_translate),
            ),
        )

    def warm_up(self) -> None:
        """Recognise one silent window, words included, so that every kernel has run once."""
        for batch in (1, 2):
            task = WindowTask(
                np.zeros((self._model.n_mels, 100), np.float32), 1.0,
                self._languages[0], has_words=True,
            )  # fmt: skip
            for result in self.run(DecodeOptions(max_new_tokens=4), [task] * batch):
                if not isinstance(result, WindowResult):
                    raise EngineError("the model cannot recognise a silent window") from result

    def run(self, key: Hashable, payloads: Sequence[Any]) -> Sequence[Any]:
        """Recognise windows; ``key`` is their ``DecodeOptions``, the payloads ``WindowTask``."""
        assert isinstance(key, DecodeOptions)
        tasks: list[WindowTask] = list(payloads)
        encoded = self._encode(tasks, is_encoded=key.is_encoded)
        voices = self._languages_of(tasks, encoded)
        results: list[Any] = [None] * len(tasks)
        prompts = [self._prompt(task, voice[0]) for task, voice in zip(tasks, voices, strict=True)]
        for rows in _grouped(len(prompt) for prompt in prompts):
            said = self._generate(encoded.rows(rows), [prompts[row] for row in rows], key)
            for row, result in zip(rows, said, strict=True):
                results[row] = self._result(tasks[row], voices[row], result, key)
        self._time_words(tasks, results, encoded)
        if self._on_cpu:
            results = [self._with_states(each, encoded, row) for row, each in enumerate(results)]
        return results

    def _paying_batch_size(self) -> int:
        """Decode a few tokens of noise in batches of several sizes."""
        noise = np.random.default_rng(0).normal(0, 1, (1, self._model.n_mels, WINDOW_FRAMES))
        states = np.array(self._model.encode(_view(noise.astype(np.float32))))
        start = self._start(WindowTask(states, 1.0), self._languages[0])

        def decode(count: int) -> None:
            self._model.generate(
                _view(np.repeat(states, count, axis=0)),
                [start] * count,
                beam_size=self._options["beam_size"],
                max_length=2 * PROBE_TOKENS,
                suppress_tokens=[-1, self._tokens.eot],
            )

        return paying_batch_size(decode)

    def close(self) -> None:
        """Free the weights."""
        if hasattr(self, "_model"):
            self._model.unload_model()

    def _open(self, folder: Path, device: Device) -> Any:  # noqa: ANN401 - untyped library
        compute_type = self._options["compute_type"]
        if compute_type == "auto":
            compute_type = "float16" if device.is_gpu else "int8"
        try:
            return ctranslate2.models.Whisper(
                str(folder),
                device="cuda" if device.is_gpu else "cpu",
                device_index=device.index,
                compute_type=compute_type,
                intra_threads=self._options["threads"] or usable_cores(),
            )
        except (RuntimeError, ValueError) as error:
            log.exception("%s cannot be loaded", folder)
            raise EngineError(f"the model in {folder} cannot be loaded on {device.name}") from error

    def _known_languages(self, folder: Path) -> Iterable[str]:
        if not self._model.is_multilingual:
            return ["en"]
        config = json.loads((folder / "config.json").read_text())
        named = (self._vocabulary.id_to_token(each) for each in config["lang_ids"])
        return [token[2:-2] for token in named if token is not None]

    def _encode(self, tasks: Sequence[WindowTask], *, is_encoded: bool) -> "_Encoded":
        if is_encoded:
            states = np.stack([task.audio for task in tasks])
            return _Encoded(self._model, _view(states), states)
        features = np.zeros((len(tasks), self._model.n_mels, WINDOW_FRAMES), np.float32)
        for row, task in zip(features, tasks, strict=True):
            frames = min(task.audio.shape[1], WINDOW_FRAMES)
            row[:, :frames] = task.audio[:, :frames]
        if not self._on_cpu:
            view = self._model.encode(_view(features))
            return _Encoded(self._model, view, None, features)
        # One by one: the attention of several windows overflows the caches of a CPU.
        alone = [np.array(self._model.encode(_view(row[np.newaxis]))) for row in features]
        states = alone[0] if len(alone) == 1 else np.concatenate(alone)
        return _Encoded(self._model, _view(states), states, features)

    def _languages_of(
        self, tasks: Sequence[WindowTask], encoded: "_Encoded"
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

    def _start(self, task: WindowTask, language: str) -> list[int]:
        if not self._model.is_multilingual:
            return [self._tokens.sot]
        names = (f"<|{language}|>", f"<|{task.task}|>")
        ids = [self._vocabulary.token_to_id(name) for name in names]
        if None in ids:
            raise InvalidInput(f"the model does not know the language {language!r}")
        return [self._tokens.sot, *ids]

    def _prompt(self, task: WindowTask, language: str) -> list[int]:
        before: list[int] = []
        for text in (task.hotwords.strip(), task.prompt.strip()):
            if text:
                before += self._tokens.encode(" " + text)
        start = self._start(task, language)
        if not before:
            return start
        return [self._tokens.sot_prev, *before[-MAX_PROMPT_TOKENS:], *start]

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

    def _result(
        self,
        task: WindowTask,
        voice: tuple[str, float],
        said: Any,  # noqa: ANN401 - untyped library
        options: DecodeOptions,
    ) -> WindowResult:
        tokens: list[int] = said.sequences_ids[0]
        first_time = self._tokens.timestamp_begin
        pieces = split_segments(tokens, first_time=first_time, duration_s=task.duration_s)
        segments = [self._segment(piece) for piece in pieces]
        text = "".join(segment.text for segment in segments).strip()
        return WindowResult(
            segments=segments,
            language=voice[0],
            language_probability=voice[1],
            avg_logprob=said.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech_prob=said.no_speech_prob,
            compression_ratio=compression_ratio(text),
            temperature=options.temperature,
            is_loop=is_loop([token for token in tokens if token < first_time]),
            words=[],
            scores=[],
        )

    def _segment(self, piece: TokenSegment) -> SpokenSegment:
        text = self._tokens.decode(piece.tokens)
        return SpokenSegment(piece.start_s, piece.end_s, text, piece.tokens)

    def _time_words(
        self, tasks: Sequence[WindowTask], results: list[Any], encoded: "_Encoded"
    ) -> None:
        """Align the text of those that want words; one call for each language and task."""
        text_tokens = [self._text_tokens(result) for result in results]
        wanted = [row for row, task in enumerate(tasks) if task.has_words and text_tokens[row]]
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row in wanted:
            groups[(results[row].language, tasks[row].task)].append(row)
        for (language, _), rows in groups.items():
            aligned = self._model.align(
                encoded.rows(rows),
                self._start(tasks[rows[0]], language),
                [text_tokens[row] for row in rows],
                [_state_frames(tasks[row].duration_s) for row in rows],
            )
            for row, alignment in zip(rows, aligned, strict=True):
                results[row] = self._with_words(results[row], text_tokens[row], alignment)

    def _text_tokens(self, result: WindowResult) -> list[int]:
        tokens = itertools.chain.from_iterable(segment.tokens for segment in result.segments)
        return [token for token in tokens if token < self._tokens.eot]

    def _with_words(
        self,
        result: WindowResult,
        tokens: list[int],
        alignment: Any,  # noqa: ANN401 - untyped library
    ) -> WindowResult:
        self._tokens.language_code = result.language
        words, word_tokens = self._tokens.split_to_word_tokens([*tokens, self._tokens.eot])
        probabilities = alignment.text_token_probs
        timed = timed_words(words, word_tokens, alignment.alignments, probabilities)
        scores = [
            self._score(token, probability)
            for token, probability in zip(tokens, probabilities, strict=False)
        ]
        counts = [
            sum(token < self._tokens.eot for token in segment.tokens) for segment in result.segments
        ]
        return replace(result, words=list(_assigned(timed, tokens, counts)), scores=scores)

    def _score(self, token: int, probability: float) -> TokenScore:
        data = token_bytes(self._vocabulary.id_to_token(token) or "")
        logprob = float(np.log(max(probability, MIN_PROBABILITY)))
        return TokenScore(data.decode("utf-8", "replace"), list(data), logprob)

    def _with_states(self, result: WindowResult, encoded: "_Encoded", row: int) -> WindowResult:
        if encoded.states is None or not _failed(result):
            return result
        return replace(result, encoded=encoded.states[row])


@dataclass(frozen=True)
class _Encoded:
    """Encoder output of a batch, and how to take some of its rows."""

    model: Any
    view: Any  # (n_windows, n_states, width) on the device
    states: FloatArray | None  # the same in memory, on the CPU
    features: FloatArray | None = None  # (n_windows, n_mels, n_frames)

    def rows(self, rows: Sequence[int]) -> Any:  # noqa: ANN401 - untyped library
        """Some windows, in the given order; rows on a GPU cannot be taken out, only made anew."""
        if list(rows) == list(range(self.view.shape[0])):
            return self.view
        if self.states is not None:
            return _view(self.states[rows])
        assert self.features is not None
        return self.model.encode(_view(self.features[rows]))


def _view(values: FloatArray) -> Any:  # noqa: ANN401 - untyped library
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(values))


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


def _assigned(
    words: Iterable[TimedWord], tokens: Sequence[int], counts: Sequence[int]
) -> Iterable[SpokenWord]:
    """Give each word its tokens, and the segment in which they begin."""
    ends = list(itertools.accumulate(counts))
    position, segment = 0, 0
    for word in words:
        while segment < len(ends) - 1 and position >= ends[segment]:
            segment += 1
        after = position + word.n_tokens
        own = list(tokens[position:after])
        yield SpokenWord(word.text, word.start_s, word.end_s, word.probability, segment, own)
        position = after


def create_recogniser(options: Mapping[str, Any]) -> Engine:
    """Called by the recogniser's process."""
    return Recogniser(options)
