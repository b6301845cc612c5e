"""The manifest: one row per clip, with its length and a hash of its samples. Every verb of ``train`` starts from it."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from realtime_ser.errors import ConfigError
from realtime_ser.text import one_line
from train.atomic import write_text
from train.data.corpora import CORPORA, Clip, scan
from train.data.corpora.clip import audio_files
from train.data.corpora.folder import is_folder

MIN_DURATION_S = 0.5
_REASONS_SHOWN = 3
_READ_AS = 2  # how files are read; with another number what is remembered of them is read anew


@dataclass(frozen=True, slots=True)
class Row(Clip):
    """A clip and its audio: length in seconds and the SHA-256 of its decoded samples (16 bit)."""

    duration_s: float
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """``rows`` in the order of corpus and path; ``left_out`` has each excluded file with the reason."""

    rows: tuple[Row, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()

    def key(self, *fields: str) -> str:
        """Identity of the audio, for cache names and runs: changes with any sample, path, order, or value of these fields."""
        digest = hashlib.sha256()
        for row in self.rows:
            values = [row.path, row.sha256, *(getattr(row, name) for name in fields)]
            digest.update(("\0".join(values) + "\n").encode())
        return digest.hexdigest()[:16]

    def where(self, **wanted: object) -> tuple[Row, ...]:
        """Rows whose fields equal the given values, or lie in the given collections."""

        def fits(row: Row, name: str, value: object) -> bool:
            have = getattr(row, name)
            return have in value if isinstance(value, (tuple, list, set, frozenset)) else have == value

        return tuple(row for row in self.rows if all(fits(row, name, value) for name, value in wanted.items()))


def build(root: Path, corpora: Sequence[str] | None = None, *, memory: Path | None = None, progress: bool = True) -> Manifest:
    """Read every clip once and describe it.

    Unreadable, empty, silent and too short files are left out and named. Audio that two files share is kept once.

    Parameters
    ----------
    memory : a file in which lengths and hashes are kept: a clip of the same size and time of change is not read again

    Raises
    ------
    ConfigError : nothing usable was found; the message has the reason
    """
    found = scan(root, corpora)
    # Tables are UTF-8; a name of another encoding cannot stand in them.
    left_out = [(_escaped(path), reason) for path, reason in found.left_out]
    left_out += [(_escaped(clip.path), "its name is not UTF-8; rename it") for clip in found.clips if not _is_utf8(clip.path)]
    clips = [clip for clip in found.clips if _is_utf8(clip.path)]
    rows: list[Row] = []
    seen: dict[str, str] = {}
    known = _remembered(memory)
    stamps = [_stamp(root / clip.path) for clip in clips]
    new = [(clip, stamp) for clip, stamp in zip(clips, stamps, strict=True) if stamp not in known]
    with ThreadPoolExecutor(2) as pool:
        read = pool.map(lambda item: _facts(root / item[0].path), new)
        for (_, stamp), fact in zip(tqdm(new, "manifest", disable=not progress, leave=False), read, strict=True):
            known[stamp] = fact
    for clip, stamp in zip(clips, stamps, strict=True):
        fact = known[stamp]
        if isinstance(fact, str):
            left_out.append((clip.path, fact))
            continue
        duration_s, sha256 = fact
        if sha256 in seen:
            left_out.append((clip.path, f"the same audio as {seen[sha256]}"))
            continue
        seen[sha256] = clip.path
        rows.append(Row(**asdict(clip), duration_s=duration_s, sha256=sha256))
    if memory is not None and new:
        write_text(memory, json.dumps({stamp: known[stamp] for stamp in stamps}, indent=0))
    if not rows:
        raise ConfigError(_why_nothing(root, corpora, left_out))
    return Manifest(tuple(rows), tuple(left_out), tuple(found.absent))


def _why_nothing(root: Path, corpora: Sequence[str] | None, left_out: Sequence[tuple[str, str]]) -> str:
    """The first reasons why no clip is left, in one line, each with an example file and the number of others."""
    if left_out:
        count = Counter(reason for _, reason in left_out)
        example = {reason: path for path, reason in reversed(left_out)}
        reasons = [
            f"{example[reason]} {reason}" + (f" (and {number - 1} more)" if number > 1 else "")
            for reason, number in list(count.items())[:_REASONS_SHOWN]
        ]
        further = len(count) - len(reasons)
        return f"{root}: no usable clip: " + "; ".join(reasons) + (f"; and {further} other reasons" if further > 0 else "")
    if corpora:
        return f"{root}: no usable clip of {', '.join(corpora)}"
    nothing = f"{root}: no usable clip, as it has no folder called {', '.join(CORPORA)} or folder_NAME with audio in it"
    if root.name in CORPORA or is_folder(root.name):
        return f"{nothing}; give the folder around it, {root.resolve().parent}"
    if any(audio_files(root)):
        return f"{nothing}; put your own recordings into {root / 'folder'}"
    return nothing


def _stamp(path: Path) -> str:
    """Path, size and time of change, which identify unchanged audio."""
    try:
        about = path.stat()
    except OSError:
        return f"{path}"
    return f"{path} {about.st_size} {about.st_mtime_ns} {_READ_AS}"


def _is_utf8(name: str) -> bool:
    return _escaped(name) == name


def _escaped(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _remembered(memory: Path | None) -> dict[str, tuple[float, str] | str]:
    """Results of the last ``build``; empty where the file is absent or damaged, because it is only a cache."""
    try:
        found = json.loads(memory.read_text(encoding="utf-8")) if memory is not None else {}
        return {stamp: fact if isinstance(fact, str) else (float(fact[0]), str(fact[1])) for stamp, fact in found.items()}
    except (OSError, ValueError, TypeError, IndexError, AttributeError):
        return {}


def _facts(path: Path) -> tuple[float, str] | str:
    """Length and hash of a file, or the reason to leave it out."""
    try:
        with soundfile.SoundFile(path) as file:
            # libsndfile does not scale floats that are read as integers.
            kind = "float32" if file.subtype in ("FLOAT", "DOUBLE") else "int16"
            samples, rate = file.read(dtype=kind, always_2d=True), file.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        return f"unreadable: {one_line(error)}"
    if not len(samples):
        return "empty"
    if not np.isfinite(samples).all():
        return "holds numbers that are no audio (NaN or infinite)"
    if kind == "float32":
        samples = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    if not np.any(samples):
        return "digital silence"
    if len(samples) < MIN_DURATION_S * rate:
        return f"shorter than {MIN_DURATION_S} s"
    return round(len(samples) / rate, 4), hashlib.sha256(samples.tobytes() + f"{samples.shape} {rate}".encode()).hexdigest()


def save(manifest: Manifest, path: Path) -> None:
    """Write ``manifest.csv`` (and ``manifest.left_out.csv`` beside it), whole or not at all."""
    names = [item.name for item in fields(Row)]
    write_text(path, _csv(names, ([getattr(row, name) for name in names] for row in manifest.rows)))
    write_text(path.with_suffix(".left_out.csv"), _csv(["path", "reason"], manifest.left_out))


def load(path: Path) -> Manifest:
    """Read a manifest that ``save`` wrote.

    Raises
    ------
    ConfigError : no such file, or not a manifest
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = tuple(Row(**{**line, "duration_s": float(line["duration_s"])}) for line in csv.DictReader(file))
        left = path.with_suffix(".left_out.csv")
        left_out = tuple((a, b) for a, b in list(csv.reader(left.read_text(encoding="utf-8").splitlines()))[1:])
    except FileNotFoundError:
        raise ConfigError(f"{path}: no manifest; run `python -m train prepare` first") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is no manifest ({error}); run `python -m train prepare` again") from None
    return Manifest(rows, left_out)


def summary(manifest: Manifest) -> str:
    """A table of clips per corpus, gender and emotion, with speakers, minutes and the longest clip, for people."""
    emotions = sorted({row.emotion for row in manifest.rows})
    lines = [["corpus", "gender", "speakers", "minutes", "longest", *emotions, "all"]]
    for corpus in dict.fromkeys(row.corpus for row in manifest.rows):
        own = manifest.where(corpus=corpus)
        genders = sorted({row.gender for row in own})
        parts = [(gender or "unknown", [row for row in own if row.gender == gender]) for gender in genders]
        if len(parts) > 1:
            parts.append(("all", list(own)))
        for number, (gender, rows) in enumerate(parts):
            count = Counter(row.emotion for row in rows)
            facts = [
                str(len({row.speaker for row in rows})),
                f"{sum(row.duration_s for row in rows) / 60:.0f}",
                f"{max(row.duration_s for row in rows):.1f} s",
            ]
            name = corpus if number == 0 else ""
            lines.append([name, gender, *facts, *(str(count[e] or "") for e in emotions), str(len(rows))])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in lines)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    import io

    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
