"""Files that hold sound which is not decoded here: what they are, and the command that converts them."""

from __future__ import annotations

import shlex
from pathlib import Path

# Suffixes of files that ffmpeg reads and we do not.
SUFFIXES = frozenset(
    {
        ".m4a", ".mp4", ".m4b", ".m4v", ".mov", ".3gp", ".3g2", ".aac", ".adts", ".webm", ".mkv", ".mka", ".wma", ".wmv",
        ".asf", ".avi", ".flv", ".f4v", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".vob", ".amr", ".awb", ".ape", ".wv",
        ".tta", ".ac3", ".eac3", ".dts", ".spx", ".ra", ".rm", ".alac", ".mpc", ".dsf", ".dff", ".tak",
    }
)  # fmt: skip


def foreign_kind(head: bytes) -> str | None:
    """What the first 64 bytes belong to, or None: nothing known, or a format that is decoded here."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "MP4 (m4a, AAC, video)"
    for start, kind in (
        (b"\x1aE\xdf\xa3", "WebM or Matroska"),
        (b"0&\xb2u\x8ef\xcf\x11", "Windows Media"),
        (b"#!AMR", "AMR"),
        (b"MAC ", "Monkey's Audio"),
        (b"wvpk", "WavPack"),
        (b"TTA1", "True Audio"),
        (b"FLV\x01", "Flash video"),
        (b"\x00\x00\x01\xba", "MPEG video"),
        (b"ADIF", "AAC"),
        (b"\x0bw", "AC-3"),
        (b".RMF", "RealMedia"),
        (b"MPCK", "Musepack"),
        (b"MP+", "Musepack"),
        (b"DSD ", "DSD"),
        (b"FRM8", "DSD"),
        (b"tBaK", "TAK"),
    ):
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI video"
    if len(head) > 4 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC"
    if head[:4] == b"OggS" and b"Speex   " in head:
        return "Speex"
    if head[:4] == b"OggS" and (b"\x80theora" in head or b"fishead" in head):
        return "Ogg video"
    return "MPEG transport stream" if len(head) > 3 and head[0] == 0x47 and head[1] & 0x40 and head[3] & 0x10 else None


def conversion(name: str) -> str:
    """The command that makes a file of it which is decoded here."""
    target = Path(name).with_suffix(".wav").name if name not in ("", "-") else "talk.wav"
    return f"ffmpeg -i {shlex.quote(name)} {shlex.quote(target)}"
