"""Between text and token ids: the prompts of windows, and the results of what was decoded."""

import copy
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from faster_whisper.tokenizer import Tokenizer

from services.whisper.decoding import (
    TimedWord,
    TokenSegment,
    compression_ratio,
    is_loop,
    split_segments,
    timed_words,
    token_bytes,
)
from services.whisper.tasks import (
    DecodeOptions,
    SpokenSegment,
    SpokenWord,
    Task,
    TokenScore,
    WindowResult,
    WindowTask,
)
from shared.errors import InvalidInput

MAX_CONTEXT_TOKENS = 448
MAX_PROMPT_TOKENS = MAX_CONTEXT_TOKENS // 2 - 1
MIN_PROBABILITY = 1e-10
"""Keeps the logarithm finite."""


class WindowTokens:
    """A model's vocabulary. Nothing here changes, so threads may share it."""

    def __init__(self, folder: Path, *, is_multilingual: bool) -> None:
        """Read the vocabulary.

        Args:
            folder: of the model.
            is_multilingual: whether its prompts name a language and a task.
        """
        self._vocabulary = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokens = Tokenizer(self._vocabulary, multilingual=False)
        self._is_multilingual = is_multilingual

    @property
    def end(self) -> int:
        """Id of the token that ends a text; text tokens are below it."""
        eot: int = self._tokens.eot
        return eot

    def languages(self, ids: Iterable[int]) -> list[str]:
        """Codes of the languages whose tokens have these ids."""
        named = (self._vocabulary.id_to_token(each) for each in ids)
        return [token[2:-2] for token in named if token is not None]

    def start(self, task: Task, language: str) -> list[int]:
        """What the decoder is given before the text.

        Raises:
            InvalidInput: the model does not know the language.
        """
        if not self._is_multilingual:
            return [self._tokens.sot]
        names = (f"<|{language}|>", f"<|{task}|>")
        ids = [self._vocabulary.token_to_id(name) for name in names]
        if None in ids:
            raise InvalidInput(f"the model does not know the language {language!r}")
        return [self._tokens.sot, *ids]

    def prompt(self, task: WindowTask, language: str) -> list[int]:
        """The start, after the end of the text that the task gives to go by."""
        before: list[int] = []
        for text in (task.hotwords.strip(), task.prompt.strip()):
            if text:
                before += self._tokens.encode(" " + text)
        start = self.start(task.task, language)
        if not before:
            return start
        return [self._tokens.sot_prev, *before[-MAX_PROMPT_TOKENS:], *start]

    def result(
        self,
        task: WindowTask,
        voice: tuple[str, float],
        said: Any,  # noqa: ANN401 - untyped library
        options: DecodeOptions,
    ) -> WindowResult:
        """Text and quality of a window, without words.

        Args:
            task: the window.
            voice: its language and that one's probability.
            said: CTranslate2's ``WhisperGenerationResult``.
            options: as it was decoded with.
        """
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

    def text_tokens(self, result: WindowResult) -> list[int]:
        """Its tokens without times."""
        tokens = itertools.chain.from_iterable(segment.tokens for segment in result.segments)
        return [token for token in tokens if token < self.end]

    def with_words(
        self,
        result: WindowResult,
        alignment: Any,  # noqa: ANN401 - untyped library
    ) -> WindowResult:
        """The result with its words timed and its tokens scored.

        Args:
            result: of ``result``.
            alignment: CTranslate2's ``WhisperAlignmentResult`` of its text tokens.
        """
        tokens = self.text_tokens(result)
        of_language = copy.copy(self._tokens)
        of_language.language_code = result.language
        words, word_tokens = of_language.split_to_word_tokens([*tokens, self.end])
        probabilities = alignment.text_token_probs
        timed = timed_words(words, word_tokens, alignment.alignments, probabilities)
        scores = [
            self._score(token, probability)
            for token, probability in zip(tokens, probabilities, strict=False)
        ]
        counts = [sum(token < self.end for token in segment.tokens) for segment in result.segments]
        return replace(result, words=list(_assigned(timed, tokens, counts)), scores=scores)

    def _score(self, token: int, probability: float) -> TokenScore:
        data = token_bytes(self._vocabulary.id_to_token(token) or "")
        logprob = float(np.log(max(probability, MIN_PROBABILITY)))
        return TokenScore(data.decode("utf-8", "replace"), list(data), logprob)


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
