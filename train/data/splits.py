"""Splits into training and test clips. ``audit`` finds speakers that are on both sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from realtime_ser.errors import ConfigError
from train.data.corpora.folder import OWN, UNNAMED
from train.data.manifest import Row

# EmoBox's published folds of RAVDESS (test actors; the other twenty train). Ma et al. 2024, https://arxiv.org/abs/2406.07162
EMOBOX_FOLDS = (
    ("01", "11", "20", "21"),
    ("04", "10", "12", "14"),
    ("08", "09", "19", "23"),
    ("03", "05", "07", "24"),
    ("02", "15", "16", "18"),
    ("06", "13", "17", "22"),
)

Protocol = Literal["emobox", "speaker", "loso", "sentence", "random", "cross"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)


@dataclass(frozen=True)
class Split:
    """One fold: ``train`` fits weights, ``dev`` chooses (epochs, temperature), ``test`` is only scored."""

    name: str
    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    test: tuple[Row, ...]


def emobox(rows: Sequence[Row], *, dev_speakers: int = 4, seed: int = 0) -> list[Split]:
    """The six RAVDESS folds. Only speech is tested; other rows train, a test actor's song excepted.

    Raises
    ------
    ConfigError : there is no RAVDESS speech
    """
    if not any(row.corpus == "ravdess_speech" for row in rows):
        raise ConfigError(
            "emobox folds are made of ravdess_speech, of which there is nothing; of others take --protocol speaker"
        )
    splits = []
    for number, actors in enumerate(EMOBOX_FOLDS, 1):
        held = {f"ravdess-{actor}" for actor in actors}
        test = tuple(row for row in rows if row.speaker in held and row.corpus == "ravdess_speech")
        rest = tuple(row for row in rows if row.speaker not in held)
        train, dev = hold_out(rest, dev_speakers, seed=seed + number, corpus="ravdess_speech")
        splits.append(Split(f"emobox-{number}", train, dev, test))
    return splits


def hold_out(
    rows: Sequence[Row], count: int, *, seed: int, corpus: str | None = None
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Set ``count`` speakers aside, as many women as men where the corpus has genders: ``(others, theirs)``.

    The odd one, when ``count`` is odd, is a woman. A held-out speaker's other recordings (song) join neither side.
    """
    if count == 0:
        return tuple(rows), ()
    pool = [row for row in rows if corpus is None or row.corpus == corpus]
    by_gender: dict[str, list[str]] = defaultdict(list)
    for row in pool:
        if row.speaker not in by_gender[row.gender]:
            by_gender[row.gender].append(row.speaker)
    rng = np.random.default_rng(seed)
    queues = [list(rng.permutation(sorted(by_gender[gender]))) for gender in sorted(by_gender)]
    chosen: list[str] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(str(queue.pop()))
    if len(chosen) < count or len(chosen) == sum(len(names) for names in by_gender.values()):
        raise ConfigError(f"cannot hold {count} speakers out of {sum(map(len, by_gender.values()))}; ask for fewer")
    held = set(chosen)
    return tuple(row for row in rows if row.speaker not in held), tuple(row for row in pool if row.speaker in held)


def speaker(rows: Sequence[Row], *, folds: int = 5, dev_speakers: int = 2, seed: int = 0) -> list[Split]:
    """Grouped k-fold: every speaker is tested once."""
    names = sorted({row.speaker for row in rows})
    if len(names) < folds:
        raise ConfigError(f"{folds} folds need as many speakers, there are {len(names)}; loso takes two, random any number")
    order = np.random.default_rng(seed).permutation(names)
    splits = []
    for number in range(folds):
        held = set(order[number::folds])
        rest = tuple(row for row in rows if row.speaker not in held)
        train, dev = hold_out(rest, dev_speakers, seed=seed + number)
        splits.append(Split(f"speaker-{number + 1}", train, dev, tuple(row for row in rows if row.speaker in held)))
    return splits


def loso(rows: Sequence[Row], *, dev_speakers: int = 2, seed: int = 0) -> list[Split]:
    """Leave one speaker out: a fold for each, all of whose recordings test."""
    names = sorted({row.speaker for row in rows})
    if len(names) < 2:
        raise ConfigError("leaving one speaker out needs at least two; random takes one, but does not measure unseen speakers")
    splits = []
    for name in names:
        rest = tuple(row for row in rows if row.speaker != name)
        train, dev = hold_out(rest, dev_speakers, seed=seed)
        splits.append(Split(f"loso-{name}", train, dev, tuple(row for row in rows if row.speaker == name)))
    return splits


def sentence(rows: Sequence[Row], *, folds: int = 5, seed: int = 0) -> list[Split]:
    """Grouped by sentence: every sentence is tested once, by speakers who are also in training. Clips without one are left out.

    With fewer sentences than ``folds`` each has its own fold. Check with ``audit(..., sentences=True)``.
    """
    known = [row for row in rows if row.sentence]
    texts = sorted({row.sentence for row in known})
    if len(texts) < 2:
        raise ConfigError("splitting by sentence needs corpora with at least two sentences in their file names")
    order = np.random.default_rng(seed).permutation(texts)
    count = min(folds, len(texts))
    splits = []
    for number in range(count):
        held = set(order[number::count])
        train = tuple(row for row in known if row.sentence not in held)
        splits.append(Split(f"sentence-{number + 1}", train, (), tuple(row for row in known if row.sentence in held)))
    return splits


def between(rows: Sequence[Row], train: Sequence[str], test: Sequence[str], *, dev_speakers: int = 4, seed: int = 0) -> Split:
    """Train on some corpora, test on others, by their names.

    Raises
    ------
    ConfigError : a corpus on both sides, or one that shares its speakers with the other side; see ``family``
    """
    families = {name.split("_")[0] for name in train}
    for name in test:
        if name.split("_")[0] in families:
            raise ConfigError(f"{name} has its speakers on both sides; train and test on different corpora")
    rest = tuple(row for row in rows if row.corpus in train)
    fit, dev = hold_out(rest, dev_speakers, seed=seed)
    name = f"{'+'.join(train)}->{'+'.join(test)}"
    return Split(name, fit, dev, tuple(row for row in rows if row.corpus in test))


def random(rows: Sequence[Row], *, test: float = 0.25, dev: float = 0.1, seed: int = 0) -> list[Split]:
    """Stratified by emotion, speakers on both sides: only for comparison with figures published so. ``audit`` fails on it."""
    rng = np.random.default_rng(seed)
    parts: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
    for emotion in sorted({row.emotion for row in rows}):
        own = [row for row in rows if row.emotion == emotion]
        own = [own[i] for i in rng.permutation(len(own))]
        a, b = round(len(own) * test), round(len(own) * test) + round(len(own) * dev)
        for part, some in zip(parts, (own[b:], own[a:b], own[:a]), strict=True):
            part.extend(some)
    return [Split("random", *(tuple(part) for part in parts))]


def of_others(rows: Sequence[Row], test: Sequence[Row]) -> tuple[Row, ...]:
    """The rows of speakers who are not tested."""
    tested = {row.speaker for row in test}
    return tuple(row for row in rows if row.speaker not in tested)


def with_others(folds: Sequence[Split], beside: Sequence[Row]) -> list[Split]:
    """The folds, each of which also trains on the rows ``beside`` of speakers whom it does not test."""
    return [replace(fold, train=(*fold.train, *of_others(beside, fold.test))) for fold in folds]


def family_of(corpus: str) -> str:
    """Corpora of one family share their speakers: RAVDESS speech and song, and a user's own folders."""
    return corpus.split("_")[0]


def family(row: Row) -> str:
    """``family_of`` a clip's corpus."""
    return family_of(row.corpus)


def cross(rows: Sequence[Row], *, dev_speakers: int = 4, seed: int = 0) -> list[Split]:
    """Leave one corpus out. RAVDESS speech and song are one corpus: they share their actors."""
    families = list(dict.fromkeys(family(row) for row in rows))
    if len(families) < 2:
        raise ConfigError("leaving one corpus out needs at least two")
    splits = []
    for left_out in families:
        rest = tuple(row for row in rows if family(row) != left_out)
        train, dev = hold_out(rest, dev_speakers, seed=seed)
        test = tuple(row for row in rows if family(row) == left_out and row.channel == "speech")
        splits.append(Split(f"cross-{left_out}", train, dev, test))
    return splits


def make(protocol: str, rows: Sequence[Row], *, dev_speakers: int = 4, seed: int = 0) -> list[Split]:
    """The folds of a protocol by its name; see ``PROTOCOLS``."""
    if protocol == "emobox":
        return emobox(rows, dev_speakers=dev_speakers, seed=seed)
    if protocol == "speaker":
        return speaker(rows, dev_speakers=dev_speakers, seed=seed)
    if protocol == "loso":
        return loso(rows, dev_speakers=dev_speakers, seed=seed)
    if protocol == "sentence":
        return sentence(rows, seed=seed)
    if protocol == "random":
        return random(rows, seed=seed)
    if protocol == "cross":
        return cross(rows, dev_speakers=dev_speakers, seed=seed)
    raise ConfigError(f"unknown protocol {protocol!r}; known are {', '.join(PROTOCOLS)}")


def audit(split: Split, *, speakers: bool = True, sentences: bool = False) -> list[str]:
    """Leaks between the test side and the rest, and between train and dev: one line each, none when the split is honest.

    A user's clips without a speaker's name on one side and named speakers' on the other are one too.

    Parameters
    ----------
    speakers : a speaker on both sides is a leak; pass False only for splits by sentence
    sentences : a sentence on both sides is a leak too
    """
    kinds = ["sha256", *(["speaker"] if speakers else []), *(["sentence"] if sentences else [])]
    problems = []
    sides = {"train": split.train, "dev": split.dev, "test": split.test}
    for one, other in (("train", "test"), ("dev", "test"), ("train", "dev")):
        for kind in kinds:
            left = {getattr(row, kind): row for row in sides[one] if getattr(row, kind)}
            shared = sorted({getattr(row, kind) for row in sides[other]} & left.keys())
            for value in shared:
                what = f"the audio of {left[value].path}" if kind == "sha256" else f"{kind} {value}"
                problems.append(f"{split.name}: {what} is in both {one} and {other}")
        if speakers:
            problems += _perhaps_the_same(split.name, {one: sides[one], other: sides[other]})
    if not split.train or not split.test:
        problems.append(f"{split.name}: {'nothing to train on' if not split.train else 'nothing to test on'}")
    return problems


def _perhaps_the_same(name: str, sides: Mapping[str, Sequence[Row]]) -> list[str]:
    own = {side: {row.speaker for row in rows if row.speaker.startswith(OWN)} for side, rows in sides.items()}
    return [
        f"{name}: {UNNAMED} is in {one} and may be {min(own[other] - {UNNAMED})}, who is in {other}; name all speakers"
        for one, other in (tuple(sides), tuple(sides)[::-1])
        if UNNAMED in own[one] - own[other] and own[other] - {UNNAMED}
    ]
