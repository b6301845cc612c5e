"""Samples without a header: what somebody must say of them."""

from __future__ import annotations

from dataclasses import dataclass

from realtime_ser.audio.source import check_rate
from realtime_ser.errors import ConfigError

_SUBTYPES = {
    "s8": "PCM_S8", "u8": "PCM_U8", "s16": "PCM_16", "s24": "PCM_24", "s32": "PCM_32", "f32": "FLOAT", "f64": "DOUBLE",
    "mulaw": "ULAW", "alaw": "ALAW",
}  # fmt: skip
_ONE_BYTE = ("s8", "u8", "mulaw", "alaw")
# As ffmpeg (-f) and, with its underscore, as arecord (-f) name them.
RAW_FORMATS = tuple(
    name if name in _ONE_BYTE else f"{name}{order}"
    for name in _SUBTYPES
    for order in (("le", "be") if name not in _ONE_BYTE else ("",))
)
_OTHER_NAMES = {"ulaw": "mulaw", "floatle": "f32le", "floatbe": "f32be", "float64le": "f64le", "float64be": "f64be"}


@dataclass(frozen=True)
class Raw:
    """The format of samples without a header.

    Attributes
    ----------
    subtype, endian : in libsndfile's words
    rate : Hz
    channels : interleaved
    """

    subtype: str
    endian: str
    rate: int
    channels: int


def raw_format(name: str, rate: int, channels: int = 1) -> Raw:
    """The format that ``--raw NAME --rate RATE --channels CHANNELS`` describes.

    Raises
    ------
    ConfigError : an unknown name, or no channel
    SourceError : a rate that nobody uses
    """
    plain = name.lower().replace("_", "").removeprefix("pcm")
    plain = _OTHER_NAMES.get(plain, plain)
    if plain not in RAW_FORMATS:
        raise ConfigError(f"--raw {name}: unknown sample format; one of {', '.join(RAW_FORMATS)}")
    if not 1 <= channels <= 1024:
        raise ConfigError(f"--channels {channels}: raw samples have 1 channel or more")
    kind = plain if plain in _ONE_BYTE else plain[:-2]
    endian = "BIG" if plain.endswith("be") else "LITTLE"
    return Raw(_SUBTYPES[kind], endian, check_rate(rate, f"--rate {rate}"), channels)
