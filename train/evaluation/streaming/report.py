"""``evaluate --stream``: results on conversations, steady speech, sounds and degraded clips, compared with the targets.

Writes all figures as JSON, a report made from them as Markdown, and pictures.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from realtime_ser.config import Config
from realtime_ser.engine.engine import Engine
from train.atomic import write_text
from train.data.manifest import Row
from train.evaluation import scores
from train.evaluation.streaming import charts
from train.evaluation.streaming.conditions import conditions
from train.evaluation.streaming.conversation import Scene, conversation, steady
from train.evaluation.streaming.robustness import Fold, curves, first_seconds, streamed, subset, windows
from train.evaluation.streaming.scores import Tally, emotions_shown, listen, shown
from train.evaluation.streaming.sounds import SOUNDS, at_level

SOUND_S = 60.0
LEVELS_DBFS = (-75, -60, -45, -30, -20, -10)


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and its target: ``value`` at most ``limit``."""

    what: str
    value: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the value is within the limit; an unknown value (NaN) is not."""
        return self.value <= self.limit

    def __str__(self) -> str:
        return f"{'met  ' if self.met else 'SHORT'}  {self.what}: {self.value:.2f} {self.unit} (at most {self.limit:g})"


def seed_of(name: str, seed: int) -> int:
    """A seed for each speaker, independent of the others."""
    return zlib.crc32(f"{name} {seed}".encode())


def by_speaker(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Each speaker's clips."""
    for name in sorted({row.speaker for row in rows}):
        yield name, [row for row in rows if row.speaker == name]


def conversations(fold: Fold, root: Path, *, seed: int) -> Iterator[Scene]:
    """A conversation for each of a fold's speakers."""
    rate = fold.classifier.spec.sample_rate
    for name, own in by_speaker(fold.rows):
        yield conversation(root, own, rate, seed=seed_of(name, seed))


def steady_talk(fold: Fold, root: Path, *, seed: int) -> Iterator[Scene]:
    """Steady speech of each of a fold's speakers, in each emotion."""
    rate = fold.classifier.spec.sample_rate
    for name, own in by_speaker(fold.rows):
        yield from steady(root, own, rate, seed=seed_of(name, seed))


def talk(folds: Sequence[Fold], root: Path, config: Config, *, seed: int) -> tuple[Tally, Tally]:
    """Conversations and steady speech of all folds' speakers, each classified by the fold's own model."""
    changing, same = Tally(), Tally()
    for fold in tqdm(folds, "conversations", leave=False):
        engine = Engine(fold.classifier, config)
        for result, scenes in ((changing, conversations(fold, root, seed=seed)), (same, steady_talk(fold, root, seed=seed))):
            for scene in scenes:
                result.add(scene, shown(listen(engine, scene.samples, scene.rate)))
    return changing, same


def false_emotions(fold: Fold, config: Config, *, seed: int) -> dict[str, dict[str, float]]:
    """For each sound: hours played over all levels, emotions shown in them, windows that passed the gate."""
    engine, found = Engine(fold.classifier, config), {}
    rate = engine.sample_rate
    for name, make in tqdm(SOUNDS.items(), "sounds", leave=False):
        signal = make(round(SOUND_S * rate), rate, seed=seed)
        row = {"hours": 0.0, "emotions": 0, "windows_past_the_gate": 0}
        for level in LEVELS_DBFS:
            estimates = listen(engine, at_level(signal, level), rate)
            row["hours"] += SOUND_S / 3600
            row["emotions"] += emotions_shown(shown(estimates))
            row["windows_past_the_gate"] += sum(each.state != "no_speech" for each in estimates)
        found[name] = row
    return found


def score(folds: Sequence[Fold], root: Path, config: Config, *, clips: int, seed: int, others: Sequence[Row]) -> dict[str, Any]:
    """Every figure of the stream.

    Parameters
    ----------
    clips : of each fold, for the curves; 0: all
    others : clips for babble
    """
    changing, same = talk(folds, root, config, seed=seed)
    sounds = false_emotions(folds[0], config, seed=seed)
    few = [Fold(fold.name, fold.classifier, subset(fold.rows, clips, seed=seed)) for fold in folds]
    clean = streamed(few, root, config)
    points = [
        *curves(few, root, config, conditions(root, others), clean),
        *windows(few, root, config, clean),
        *first_seconds(few, root, config, clean),
    ]
    return {
        "folds": [fold.name for fold in folds],
        "speakers": len({row.speaker for fold in folds for row in fold.rows}),
        "settings": {"stream": asdict(config.stream), "gate": asdict(config.gate), "smoothing": asdict(config.smoothing)},
        "conversation": changing.as_dict(),
        "delays_s": sorted(round(value, 3) for value in changing.delays_s if value == value),
        "steady": same.as_dict(),
        "sounds": sounds,
        "clean": {
            "uar": round(scores.uar(clean), 1),
            "clips": len(clean.rows),
            "undetected": round(100 * float((clean.guess < 0).mean()), 1),
        },
        "points": [_rounded(asdict(each)) for each in points],
    }


def bars(result: Mapping[str, Any]) -> list[Bar]:
    """The figures compared with their targets."""

    def drop(*wanted: tuple[str, str]) -> float:
        chosen = [each["drop"] for each in result["points"] if (each["group"], each["name"]) in wanted]
        return max(chosen, default=math.nan)

    onset = result["conversation"]["onset_to_label_s"]["p50"]
    hours = sum(row["hours"] for row in result["sounds"].values())
    gains = [("gain", f"{db:+d} dB") for db in (-20, -10, 10)]
    return [
        Bar("UAR lost from -20 to +10 dB of gain", drop(*gains), 2, "points"),
        Bar("UAR lost in white noise at 10 dB SNR", drop(("white noise", "10 dB")), 6, "points"),
        Bar("UAR lost in pink noise at 10 dB SNR", drop(("pink noise", "10 dB")), 6, "points"),
        Bar("UAR lost in babble at 10 dB SNR", drop(("babble", "10 dB")), 6, "points"),
        Bar("UAR lost in the telephone band", drop(("bandwidth", "telephone, 300 to 3,400 Hz")), 6, "points"),
        Bar("onset of an emotion to its label, median", math.nan if onset is None else onset, 1.5, "s"),
        Bar("flips on steady speech", result["steady"]["flips_per_minute"], 4, "a minute"),
        Bar(
            "false emotions where nobody speaks",
            sum(row["emotions"] for row in result["sounds"].values()) / hours,
            0,
            "an hour",
        ),
    ]


def write(result: Mapping[str, Any], name: str, folder: Path) -> list[Path]:
    """``NAME.json``, ``NAME.md`` and the pictures; returns what was written."""
    pictures = charts.draw(result, name, folder)
    write_text(folder / f"{name}.json", json.dumps(result, indent=1) + "\n")
    write_text(folder / f"{name}.md", markdown(result, name, [path.name for path in pictures]))
    return [folder / f"{name}.md", folder / f"{name}.json", *pictures]


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"


def markdown(result: Mapping[str, Any], name: str, pictures: Iterable[str]) -> str:
    """The report for people."""
    talk, same, clean = result["conversation"], result["steady"], result["clean"]
    lines = [
        f"# {name} as a stream",
        "",
        result["about"],
        "",
        f"    {result['command']}",
        "",
        "| target | measured | limit | |",
        "|---|---|---|---|",
        *(
            f"| {bar.what} | {bar.value:.2f} {bar.unit} | at most {bar.limit:g} | {'met' if bar.met else '**short**'} |"
            for bar in bars(result)
        ),
        "",
        "## Conversation",
        "",
        "Clips of one speaker, two to four of one emotion, then another emotion, joined by pauses of 0.3 to 2 s over pink noise"
        f" at -65 dBFS; {talk['minutes']:g} minutes, {result['speakers']} speakers, {talk['stretches']} such stretches.",
        "A figure in % is a share of the time in which a voice sounds, by the level of the clean clip, and the mean over"
        " emotions: delay, doubt and gated speech count as wrong.",
        "",
        "| | |",
        "|---|---|",
        f"| segment UAR (time under the right label) | **{talk['segment_uar']:.1f} %** |",
        f"| the same, of the time under any emotion's label | {talk['segment_uar_where_sure']:.1f} % |",
        f"| time shown as unsure | {talk['unsure_share']:.1f} % |",
        f"| time in which the gate found no speech, or no window was complete | {talk['undetected_share']:.1f} % |",
        "| onset of an emotion to its label, median and p90 of the stretches that got it |"
        f" {', '.join(_seconds(value) for value in talk['onset_to_label_s'].values())} |",
        f"| half of all stretches had it after | {_seconds(talk['half_of_all_by_s'])} |",
        f"| stretches that never got it | {talk['never_labelled_share']:.1f} % |",
        f"| steady speech (one emotion of one speaker, {same['minutes']:g} minutes): label changes a minute |"
        f" {same['flips_per_minute']:.2f} |",
        f"| steady speech: segment UAR | {same['segment_uar']:.1f} % |",
        "",
        "| emotion | right % | unsure % | no speech % |",
        "|---|---|---|---|",
        *(
            f"| {emotion} | {row['right']:.0f} | {row['unsure']:.0f} | {row['undetected']:.0f} |"
            for emotion, row in talk["per_emotion"].items()
        ),
        "",
        "## Where nobody speaks",
        "",
        f"Each sound for a minute at {', '.join(map(str, LEVELS_DBFS))} dBFS.",
        "",
        "| sound | emotions an hour | windows past the gate |",
        "|---|---|---|",
        *(
            f"| {sound} | {row['emotions'] / row['hours']:.0f} | {row['windows_past_the_gate']} |"
            for sound, row in result["sounds"].items()
        ),
        "",
        "## Conditions",
        "",
        f"{clean['clips']} clips, each a stream of its own; unharmed {clean['uar']:.1f} % UAR,"
        f" {clean['undetected']:.1f} % without speech found. In brackets the 95 % interval of the drop, over speakers.",
        "",
        "| condition | UAR | drop | no speech % |",
        "|---|---|---|---|",
        *(
            f"| {charts.TITLES[each['group']]}: {each['name']} | {each['uar']:.1f} | {each['drop']:.1f}"
            f" ({each['low']:.1f} to {each['high']:.1f}) | {each['undetected']:.1f} |"
            for each in result["points"]
        ),
        "",
        *(f"![{picture}]({picture})" for picture in pictures),
        "",
    ]
    return "\n".join(lines)


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: round(value, 2) if isinstance(value, float) else value for key, value in values.items()}
