from services.whisper.quality import Quality
from services.whisper.subtitles import srt, vtt
from services.whisper.transcript import Segment


def segment(start_s, end_s, text):
    return Segment(start_s, end_s, text, [], 0, "en", 0.0, -0.1, 1.0, 0.0, Quality())


def test_srt_blocks_are_numbered_with_comma_times():
    blocks = srt([segment(0, 1.5, " One."), segment(3661.2346, 3662, " Two.")])

    assert blocks == (
        "1\n00:00:00,000 --> 00:00:01,500\nOne.\n\n"
        "2\n01:01:01,235 --> 01:01:02,000\nTwo.\n\n"
    )  # fmt: skip


def test_vtt_escapes_what_would_be_markup():
    blocks = vtt([segment(0, 1, " a < b & c")])

    assert blocks == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na &lt; b &amp; c\n\n"


def test_text_cannot_break_out_of_its_block():
    blocks = srt([segment(0, 1, " one\n\n2\n00:00 --> 00:01\nevil")])

    assert blocks.count("\n\n") == 1
    assert blocks.count("-->") == 1


def test_no_segments_are_an_empty_file():
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n\n"
