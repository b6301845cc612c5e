"""A profile during a run: what to begin with, and where to keep what the run has taught.

What cannot be used is reported in one line and not changed, and the run goes on without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from realtime_ser.engine.engine import Engine
from realtime_ser.engine.profile import Profile
from realtime_ser.errors import ModelError, SinkError
from realtime_ser.model.classifier import Classifier
from realtime_ser.profiles.file import read_profile, write_profile
from realtime_ser.profiles.folder import make_folder, profile_path
from realtime_ser.records import Notice
from realtime_ser.sinks.files import WholeFile


@dataclass
class OpenProfile:
    """A profile during a run: what to begin with, and where to keep it.

    Attributes
    ----------
    name : as the user gave it
    path : its file
    profile : for ``Engine(profile=...)``; None: there is none yet, or it cannot be used
    notices : what the user must know at the start of a stream, for its first records
    usable : whether ``learn`` and ``save`` do anything; not so where the file is damaged or another model's, and stays as it is

    Examples
    --------
    >>> opened = open_profile("anna", model)                     # doctest: +SKIP
    >>> engine = Engine(model, config, profile=opened.profile)
    >>> ...                                                      # the stream, with opened.notices after its session record
    >>> opened.learn(engine)
    >>> opened.save()
    """

    name: str
    path: Path
    profile: Profile | None = None
    notices: list[Notice] = field(default_factory=list)
    usable: bool = True
    _kept: Profile | None = None

    def learn(self, engine: Engine) -> None:
        """Take what a stream, which has just ended, has taught; ``profile`` is then what the next one begins with.

        A stream without speech teaches nothing, and one that is unlike the profile is somebody else's.
        """
        if not self.usable or engine.unlike_profile or not engine.health.classified:
            return
        self.profile = engine.profile()
        assert self.profile is not None
        text = f"goes on with profile {self.name!r}: {self.profile.speech_s:.0f} s of speech so far"
        self.notices = [Notice("profile_used", text, 0)]

    def save(self) -> None:
        """Keep what was learned; nothing happens where nothing was. The file is whole, old or new, whatever happens.

        Of two runs with one profile at a time, the later one's averages stay; seconds of speech add up.

        Raises
        ------
        SinkError : full disk, no permission, or the file has become something else meanwhile. What was there is there still
        """
        learned, before = self.profile, self._kept
        if not self.usable or learned is None or learned == before:
            return
        try:
            present = read_profile(self.path, learned.voice.model)
        except ModelError as error:
            raise SinkError(f"cannot keep what was learned of the voice: {error}") from error
        new_s = learned.speech_s - (before.speech_s if before else 0.0)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        learned = replace(
            learned,
            speech_s=new_s + (present.speech_s if present else 0.0),
            since=present.since if present else now,
            updated=now,
        )
        write_profile(self.path, learned)
        self.profile = self._kept = learned


def open_profile(name: str, model: Classifier) -> OpenProfile:
    """The profile of that name for a model; new if there is none.

    Parameters
    ----------
    name : checked; never a path

    Raises
    ------
    ConfigError : ``name`` can be no name of a file. Anything else that is wrong is a notice of kind "profile_unused"
    """
    return open_profile_file(profile_path(name, model.card.name), model, name)


def open_profile_file(path: Path, model: Classifier, name: str | None = None) -> OpenProfile:
    """The same for a file anywhere; its folder must exist."""
    opened = OpenProfile(name or str(path), path)
    present = Engine(model).profile()
    if present is None:
        return _unused(opened, f"model {model.card.name!r} learns nothing of a voice, so there is nothing to remember")
    try:
        if name is not None:
            make_folder(path.parent)
        opened.profile = opened._kept = read_profile(path, present.voice.model)
        if opened.profile is not None:
            Engine(model, profile=opened.profile)  # the numbers must fit, too
        WholeFile(path)  # so that a bad place is reported before the run and not after it
    except SinkError as error:
        opened.usable = False
        if opened.profile is None:
            return _unused(opened, f"{error}")
        opened.notices.append(
            Notice("profile_used", f"{_described(opened.profile, opened.name)}; it cannot be kept: {error}", 0)
        )
        return opened
    except ModelError as error:
        opened.profile = opened._kept = None
        return _unused(opened, f"{error}; the file stays as it is")
    if opened.profile is None:
        opened.notices.append(Notice("profile_used", f"profile {opened.name!r} is new; it is kept when the run ends", 0))
    else:
        opened.notices.append(Notice("profile_used", _described(opened.profile, opened.name), 0))
    return opened


def _unused(opened: OpenProfile, why: str) -> OpenProfile:
    opened.usable = False
    opened.notices.append(Notice("profile_unused", f"profile {opened.name!r} is not used: {why}", 0))
    return opened


def _described(profile: Profile, name: str) -> str:
    return (
        f"begins with profile {name!r}: {profile.speech_s:.0f} s of speech from {profile.since[:10] or 'an unknown day'}"
        f" to {profile.updated[:10] or 'an unknown day'}"
    )
