"""Speak a sentence with espeak-ng and learn from it when each word and each phone sounded.

The shared library `libespeak-ng.so.1` (Debian package libespeak-ng1) is called in this process:
unlike the command it reports events with their sample position, and nothing passes through a shell.
Constants and structures are those of espeak-ng's `speak_lib.h`. The library keeps global state, so
one process holds one `Speaker`.
"""

import ctypes
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

SAMPLE_RATE_HZ = 16_000

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 0x0001, 0x0002, 0x8000
_EVENT_END_OF_LIST, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7
_CHARS_ASCII = 1
_TAIL_S = 0.05
"""Audio kept after the last phone."""


@dataclass(frozen=True)
class Delivery:
    """How a sentence is spoken."""

    voice: str  # voice file with variant, such as "gmw/en-US+f3"
    rate_wpm: int = 175  # words per minute, 80 to 450
    pitch: int = 50  # 0 to 100, around the voice's own pitch
    pitch_range: int = 50  # 0 (monotone) to 100
    word_gap: int = 0  # extra pause between words, in units of 10 ms


@dataclass(frozen=True)
class Word:
    """One written word of a sentence and when it sounded."""

    first: int  # index of its first character in the text
    last: int  # index after its last character
    start_s: float
    end_s: float
    is_exact: (
        bool  # False: espeak-ng spoke it joined to its neighbour ("out of"), times are shared out
    )


@dataclass(frozen=True)
class Phone:
    """A phone and its onset; it lasts until the next one."""

    ipa: str  # empty for a pause
    start_s: float


@dataclass(frozen=True)
class Utterance:
    """A spoken sentence with its truth."""

    text: str
    delivery: Delivery
    audio: NDArray[np.int16]  # (n_samples,) mono, 16 kHz
    words: tuple[Word, ...]
    phones: tuple[Phone, ...]


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Speaker:
    """The espeak-ng synthesiser of this process."""

    def __init__(self) -> None:
        """Load the library and its voices.

        Raises:
            OSError: the library or its data is not installed.
        """
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        flags = _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT
        self._rate_hz = int(
            self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 200, None, flags)
        )
        if self._rate_hz <= 0:
            raise OSError("espeak-ng found no voice data; install the package espeak-ng-data")
        self._callback = _Callback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        self._pieces: list[NDArray[np.int16]] = []
        self._word_starts: dict[int, float] = {}
        self._phones: list[Phone] = []

    def say(self, text: str, delivery: Delivery) -> Utterance:
        """Speak ASCII text.

        Raises:
            ValueError: the voice is unknown, or the text has no speakable word.
        """
        if self._library.espeak_SetVoiceByName(delivery.voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {delivery.voice!r}")
        settings = (
            (_RATE, delivery.rate_wpm), (_PITCH, delivery.pitch),
            (_RANGE, delivery.pitch_range), (_WORD_GAP, delivery.word_gap),
        )  # fmt: skip
        for parameter, value in settings:
            self._library.espeak_SetParameter(parameter, value, 0)
        self._pieces, self._word_starts, self._phones = [], {}, []
        encoded = text.encode("ascii")
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _CHARS_ASCII, None, None)
        if not self._pieces or not self._word_starts:
            raise ValueError(f"nothing to speak in {text!r}")
        end_s = self._last_sound_end_s()
        audio = _resample(np.concatenate(self._pieces), self._rate_hz)
        audio = audio[: round((end_s + _TAIL_S) * SAMPLE_RATE_HZ)]
        words = time_words(text, self._word_starts, self._phones, end_s)
        return Utterance(text, delivery, audio, words, tuple(self._phones))

    def _collect(
        self,
        samples: "ctypes._Pointer[ctypes.c_short]",
        count: int,
        events: "ctypes._Pointer[_Event]",
    ) -> int:
        if count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while (event := events[index]).type != _EVENT_END_OF_LIST:
            start_s = event.sample / self._rate_hz
            if event.type == _EVENT_WORD:
                self._word_starts[event.text_position - 1] = start_s
            elif event.type == _EVENT_PHONEME:
                self._phones.append(Phone(event.id.string.decode("utf-8", "ignore"), start_s))
            index += 1
        return 0

    def _last_sound_end_s(self) -> float:
        sounding = [index for index, phone in enumerate(self._phones) if phone.ipa]
        last = sounding[-1] + 1 if sounding else 0
        if last < len(self._phones):
            return self._phones[last].start_s
        return sum(map(len, self._pieces)) / self._rate_hz


def time_words(
    text: str, starts: dict[int, float], phones: list[Phone], end_s: float
) -> tuple[Word, ...]:
    """Give each word of a text its times; a word ends at the next word or at a pause before it.

    Args:
        text: the sentence.
        starts: onset in seconds by index of the word's first character; joined words may lack one.
        phones: all phones in order; pauses have an empty name.
        end_s: when the last phone ends.
    """
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    heads = [index for index, (first, _) in enumerate(spans) if first in starts] or [0]
    pauses = [phone.start_s for phone in phones if not phone.ipa]
    words: list[Word] = []
    for head, following in zip(heads, [*heads[1:], len(spans)], strict=True):
        start_s = starts.get(spans[head][0], 0.0)
        stop_s = starts[spans[following][0]] if following < len(spans) else end_s
        stop_s = min([pause for pause in pauses if start_s < pause < stop_s], default=stop_s)
        group = spans[head:following]
        lengths = np.cumsum([0, *(last - first for first, last in group)])
        edges = start_s + (stop_s - start_s) * lengths / lengths[-1]
        for number, (first, last) in enumerate(group):
            words.append(
                Word(first, last, float(edges[number]), float(edges[number + 1]), len(group) == 1)
            )
    return tuple(words)


def _resample(audio: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    divisor = int(np.gcd(rate_hz, SAMPLE_RATE_HZ))
    resampled = resample_poly(
        audio.astype(np.float32), SAMPLE_RATE_HZ // divisor, rate_hz // divisor
    )
    rounded: NDArray[np.int16] = np.clip(np.rint(resampled), -32768, 32767).astype(np.int16)
    return rounded
