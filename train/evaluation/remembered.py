"""What a remembered voice is worth: runs that begin with a profile, with nothing, or as a voice that is known.

Half of a speaker's clips teach, the others test. A test run is some clips in random order as one stream, with a break between
clips that no window spans. Runs differ in what they begin with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realtime_ser.batch.answer import speech_s as seconds_of_speech
from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from realtime_ser.engine.profile import Profile
from realtime_ser.errors import ConfigError
from realtime_ser.model.classifier import Classifier
from realtime_ser.records import FloatArray
from train.data.corpora import LABELS, scan
from train.data.corpora.clip import Clip
from train.data.features import read_clip
from train.data.responses import load_responses
from train.evaluation import scores as scoring
from train.evaluation.learned import learned_from

_RATE = 16000
Response = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Speaker:
    """One speaker's halves: ``taught`` and ``tested``, and the number that seeds everything random about them."""

    number: int
    taught: tuple[Clip, ...]
    tested: tuple[Clip, ...]


@dataclass(frozen=True)
class Begin:
    """How test runs begin.

    Attributes
    ----------
    profile : of each speaker's number; None: with nothing
    known : the speaker's other clips come first in the same stream
    compared : the engine may let the profile go, as it does for users
    alone : every test clip is a run of its own
    """

    profile: Mapping[int, Profile] | None = None
    known: bool = False
    compared: bool = True
    alone: bool = False


def speakers_of(root: Path, corpora: Sequence[str], *, clips: int, speakers: int) -> list[Speaker]:
    """The first speakers of each corpus that have two clips of each of the four labels; halves drawn at random.

    Parameters
    ----------
    clips : of each label in a half, at most
    speakers : of each corpus, at most

    Raises
    ------
    ConfigError : there is none
    """
    found: list[Speaker] = []
    for corpus in corpora:
        rows = [clip for clip in scan(root, [corpus]).clips if clip.emotion in scoring.FOUR]
        chosen = 0
        for name in sorted({row.speaker for row in rows}):
            rng = np.random.default_rng(len(found))
            parts: tuple[list[Clip], list[Clip]] = ([], [])
            mine = {label: [row for row in rows if row.speaker == name and row.emotion == label] for label in scoring.FOUR}
            count = min(clips, *(len(part) // 2 for part in mine.values()))
            if not count or chosen == speakers:
                continue
            for part in mine.values():
                drawn = [part[i] for i in rng.permutation(len(part))[: 2 * count]]
                parts[0].extend(drawn[:count])
                parts[1].extend(drawn[count:])
            halves = [tuple(part[i] for i in rng.permutation(len(part))) for part in parts]
            found.append(Speaker(len(found), *halves))
            chosen += 1
    if len(found) < 2:
        raise ConfigError(f"fewer than two speakers with two clips of each label in {', '.join(corpora)} below {root}")
    return found


def learn(engine: Engine, root: Path, clips: Sequence[Clip], response: Response | None = None) -> Profile:
    """The profile that a run of these clips leaves behind."""
    engine.reset()
    for clip in clips:
        _play(engine, root, clip, response)
    profile = engine.profile()
    if profile is None:
        raise ConfigError(f"model {engine.model.card.name} learns nothing of a voice")
    return profile


def score(
    classifier: Classifier, root: Path, speakers: Sequence[Speaker], begin: Begin, *, config: Config, run_clips: int
) -> tuple[scoring.Clips, int, int]:
    """Test runs of all speakers.

    Returns
    -------
    clips, number of runs, and in how many of them the profile was let go
    """
    rows: list[Clip] = []
    windows: list[FloatArray] = []
    spoken_s: list[FloatArray] = []
    place = [LABELS.index(label) for label in classifier.card.labels]
    runs = unlike = 0
    for speaker in speakers:
        profile = begin.profile[speaker.number] if begin.profile else None
        engine = Engine(classifier, config, profile=profile if begin.compared else None)
        size = 1 if begin.alone else len(speaker.tested) if begin.known else run_clips
        for first in range(0, len(speaker.tested), size):
            if begin.known:
                learn(engine, root, speaker.taught)
            else:
                engine.reset()
            if profile is not None and not begin.compared:
                engine.restore_voice(profile.voice)
            for clip in speaker.tested[first : first + size]:
                spoken = [each for each in _play(engine, root, clip) if each.probs]
                part = np.zeros((len(spoken), len(LABELS)), np.float32)
                if spoken:
                    part[:, place] = [each.probs for each in spoken]
                rows.append(clip)
                windows.append(part)
                spoken_s.append(np.array([seconds_of_speech(each) for each in spoken], np.float32))
            runs += 1
            unlike += engine.unlike_profile
    clips = scoring.Clips(tuple(rows), tuple(windows), tuple(spoken_s))  # type: ignore[arg-type]
    return scoring.among(clips, scoring.FOUR), runs, unlike


def remembered(
    classifier: Classifier,
    root: Path,
    corpora: Sequence[str],
    config: Config,
    *,
    clips: int = 7,
    speakers: int = 40,
    run_clips: int = 8,
) -> dict[str, Any]:
    """Every way to begin, by one bundle; percent.

    Parameters
    ----------
    clips : of each label that teach, and as many that test, at most
    speakers : of each corpus, at most
    run_clips : of a test run
    """
    people = speakers_of(root, corpora, clips=clips, speakers=speakers)
    engine = Engine(classifier, config)
    microphones = load_responses(root).microphones

    def through(number: int) -> Response:
        response = microphones[(7 * number) % len(microphones)]
        return lambda samples: np.convolve(samples, response)[: len(samples)].astype(np.float32)

    own = {one.number: learn(engine, root, one.taught) for one in people}
    plain = {one.number: learn(engine, root, [clip for clip in one.taught if clip.emotion == "neutral"]) for one in people}
    others = {one.number: own[_other(people, i)] for i, one in enumerate(people)}
    ways = {
        "cold, single clips": Begin(alone=True),
        "profile, single clips": Begin(own, alone=True),
        "cold": Begin(),
        "known voice": Begin(known=True),
        "profile": Begin(own),
        "profile, not compared": Begin(own, compared=False),
        "neutral only": Begin(plain),
        "somebody else's": Begin(others),
        "somebody else's, not compared": Begin(others, compared=False),
    }
    if microphones:
        other_mic = {one.number: learn(engine, root, one.taught, through(one.number)) for one in people}
        ways |= {"another microphone": Begin(other_mic), "another microphone, not compared": Begin(other_mic, compared=False)}
    table: dict[str, Any] = {}
    kept: dict[str, scoring.Clips] = {}
    for name, begin in ways.items():
        scored, runs, unlike = score(classifier, root, people, begin, config=config, run_clips=run_clips)
        kept[name] = scored
        table[name] = {
            "uar": round(scoring.uar(scored), 1),
            "uar_ci95": scoring.interval(scored),
            "runs": runs,
            "let_go": unlike,
        }
        cold = "cold, single clips" if begin.alone else "cold"
        if name != cold:
            table[name]["gain"], table[name]["gain_ci95"] = _gain(scored, kept[cold])
    for row, cold in (
        *((table[name], "cold") for name in ways if "single" not in name),
        (table["profile, single clips"], "cold, single clips"),
    ):
        gap = table["known voice"]["uar"] - table[cold]["uar"]
        row["share_of_gap"] = round((row["uar"] - table[cold]["uar"]) / gap, 2) if gap > 0 else None
    return {
        "model": f"{classifier.card.name} {classifier.card.sha256[:16]}",
        "corpora": list(corpora),
        "learned_from": learned_from(classifier.card, corpora),
        "speakers": len(people),
        "test_clips": sum(len(one.tested) for one in people),
        "profile_s": round(float(np.mean([profile.speech_s for profile in own.values()])), 1),
        "neutral_profile_s": round(float(np.mean([profile.speech_s for profile in plain.values()])), 1),
        "ways": table,
    }


def report(figures: Mapping[str, Any]) -> str:
    """The figures as a table for a terminal or a page."""
    lines = [
        "| a run begins with | UAR, four labels (95 %) | over cold (95 %) | of the gap | let go |",
        "|---|---|---|---|---|",
    ]
    for name, row in figures["ways"].items():
        low, high = row["uar_ci95"]
        gain = f"{row['gain']:+.1f} ({row['gain_ci95'][0]:+.1f} to {row['gain_ci95'][1]:+.1f})" if "gain" in row else ""
        share = row.get("share_of_gap")
        part = "" if share is None or "gain" not in row else f"{100 * share:.0f} %"
        lines.append(f"| {name} | {row['uar']} ({low} to {high}) | {gain} | {part} | {row['let_go']} of {row['runs']} |")
    corpora = ", ".join(figures["corpora"])
    about = (
        f"{figures['model']} on {corpora}: {figures['speakers']} speakers, {figures['test_clips']} test clips;"
        f" profiles of {figures['profile_s']:g} s of speech, neutral only {figures['neutral_profile_s']:g} s"
    )
    if figures["learned_from"]:
        about += f"; it has LEARNED from {', '.join(figures['learned_from'])}: no scores for unseen speakers"
    return "\n".join((about, "", *lines))


def _play(engine: Engine, root: Path, clip: Clip, response: Response | None = None) -> list[Any]:
    samples = read_clip(root / clip.path, engine.sample_rate)
    return engine.push(samples if response is None else response(samples)) + engine.flush()


def _other(people: Sequence[Speaker], place: int) -> int:
    """The number of somebody else of the same corpus, if there is one; the next in line."""
    corpus = people[place].tested[0].corpus
    same = [i for i, one in enumerate(people) if one.tested[0].corpus == corpus]
    following = same[(same.index(place) + 1) % len(same)]
    return people[following if following != place else (place + 1) % len(people)].number


def _gain(scored: scoring.Clips, cold: scoring.Clips, draws: int = 1000) -> tuple[float, list[float]]:
    """Difference of two UARs over the same speakers, with its 95 % interval by the bootstrap over them; points."""
    names = sorted({row.speaker for row in cold.rows})

    def by_speaker(clips: scoring.Clips) -> tuple[Any, Any]:
        place = np.array([names.index(row.speaker) for row in clips.rows])
        total, right = (np.zeros((len(names), len(LABELS))) for _ in range(2))
        np.add.at(total, (place, clips.target), 1)
        np.add.at(right, (place, clips.target), clips.guess == clips.target)
        return total, right

    chosen = np.random.default_rng(0).integers(len(names), size=(draws, len(names)))
    values = []
    for clips in (scored, cold):
        total, right = (part[chosen].sum(axis=1) for part in by_speaker(clips))
        with np.errstate(invalid="ignore"):
            values.append(np.nanmean(np.where(total > 0, right / total, np.nan), axis=1))
    edges = np.percentile(values[0] - values[1], (2.5, 97.5))
    return round(scoring.uar(scored) - scoring.uar(cold), 1), [round(100 * float(edge), 1) for edge in edges]
