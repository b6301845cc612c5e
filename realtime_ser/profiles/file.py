"""A profile's file: small JSON, readable by its owner alone, whole or as it was before. It holds averages and no audio."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from realtime_ser.engine.profile import Profile
from realtime_ser.errors import ModelError
from realtime_ser.sinks.files import WholeFile
from realtime_ser.text import one_line

_MOST_BYTES = 16 * 2**20


def read_profile(path: Path, model: str | None = None) -> Profile | None:
    """Read a profile's file; None where there is none.

    Parameters
    ----------
    model : name and hash that it must be of; None: any

    Raises
    ------
    ModelError : unreadable, damaged, of another version or another model
    """
    try:
        # Not a pipe, on which a read would wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ModelError(f"profile {path} is no file")
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read profile {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        if len(text) > _MOST_BYTES:
            raise ModelError("it is too large")
        profile = Profile.from_dict(json.loads(text))
    except (ModelError, ValueError, RecursionError) as error:
        raise ModelError(f"profile {path} is damaged: {one_line(error, 200)}; remove it to begin anew") from error
    if model is not None and profile.voice.model != model:
        made, wanted = one_line(profile.voice.model, 100), one_line(model, 100)
        raise ModelError(f"profile {path} was made with model {made} and fits no other, not {wanted}; remove it to begin anew")
    return profile


def write_profile(path: Path, profile: Profile) -> None:
    """Replace the file.

    Raises
    ------
    SinkError : full disk, no permission; what was there is there still
    """
    WholeFile(path).save(json.dumps(profile.to_dict()).encode() + b"\n")
