"""From a transcript to the body of each response format. Plain functions."""

from services.whisper.languages import language_name
from services.whisper.schemas import (
    JsonAnswer,
    QualityAnswer,
    QualityReport,
    SegmentAnswer,
    TokenLogprob,
    Usage,
    VerboseAnswer,
    WordAnswer,
)
from services.whisper.tasks import Task, TokenScore
from services.whisper.transcript import Segment, Transcript, Word


def usage(transcript: Transcript) -> Usage:
    """What the request is counted as: the length of its audio."""
    return Usage(seconds=round(transcript.duration_s, 3))


def json_answer(transcript: Transcript, *, has_logprobs: bool) -> JsonAnswer:
    """``response_format=json``."""
    logprobs = [logprob(score) for score in transcript.scores] if has_logprobs else None
    return JsonAnswer(text=transcript.text, logprobs=logprobs, usage=usage(transcript))


def verbose_answer(
    transcript: Transcript, *, task: Task, has_segments: bool, has_words: bool
) -> VerboseAnswer:
    """``response_format=verbose_json``; translations are English, as OpenAI's answer says."""
    language = transcript.language
    if task == "translate" and language is not None:
        language = "en"
    return VerboseAnswer(
        task=task,
        language=None if language is None else language_name(language),
        duration=round(transcript.duration_s, 3),
        text=transcript.text,
        segments=(
            [segment_answer(number, each) for number, each in enumerate(transcript.segments)]
            if has_segments
            else None
        ),
        words=[word_answer(each) for each in transcript.words] if has_words else None,
        quality=quality_report(transcript),
        usage=usage(transcript),
    )


def segment_answer(number: int, segment: Segment) -> SegmentAnswer:
    """One segment of ``verbose_json``."""
    return SegmentAnswer(
        id=number,
        seek=segment.seek,
        start=segment.start_s,
        end=segment.end_s,
        text=segment.text,
        tokens=segment.tokens,
        temperature=segment.temperature,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_prob,
        language=segment.language,
        quality=QualityAnswer(
            attempts=segment.quality.attempts,
            has_loop=segment.quality.has_loop,
            dropped_words=segment.quality.dropped_words,
        ),
    )


def quality_report(transcript: Transcript) -> QualityReport:
    """Second attempts, loops and dropped words of the whole recording."""
    found = [part.quality for part in transcript.parts]
    return QualityReport(
        windows=len(found),
        fallbacks=sum(each.attempts - 1 for each in found),
        loops=sum(each.has_loop for each in found),
        silent_windows=sum(each.is_silence for each in found),
        dropped_words=sum(each.dropped_words for each in found),
    )


def word_answer(word: Word) -> WordAnswer:
    """One word of ``verbose_json``."""
    return WordAnswer(
        word=word.text, start=word.start_s, end=word.end_s, probability=word.probability
    )


def logprob(score: TokenScore) -> TokenLogprob:
    """One token of ``include[]=logprobs``."""
    return TokenLogprob(token=score.text, bytes=score.utf8, logprob=score.logprob)
