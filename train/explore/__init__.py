"""Explore the corpora before training: pictures and one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from realtime_ser.errors import ConfigError
from train.data import manifest as manifests
from train.data.manifest import Manifest, Row
from train.explore import charts, measures, page, pictures
from train.explore.page import Section
from train.published import inputs


def explore(root: Path, manifest: Manifest, cache: Path, output: Path, *, clips: bool = True, progress: bool = True) -> Path:
    """Draw everything.

    Parameters
    ----------
    root : folder of the corpora
    output : gets the PNGs and ``index.html``, which holds them all
    clips : also draw single clips (``clips/*.png``) and a dot for each clip; without, only aggregates are drawn

    Returns
    -------
    the HTML page

    Raises
    ------
    ConfigError : no clip
    """
    rows = manifest.rows
    if not rows:
        raise ConfigError("the manifest is empty; run `python -m train prepare`")
    measured = measures.measure(root, rows, cache, progress=progress)
    sections = [
        Section(
            "What there is",
            (f"{len(rows):,} clips, {measured.duration_s.sum() / 3600:.1f} hours, {len({r.speaker for r in rows})} speakers.",),
            (charts.counts(rows, output / "counts.png"),),
            manifests.summary(manifest),
        ),
        Section(
            "How loud",
            (
                "Is angry about 30 dB above sad, as often claimed of RAVDESS? Within one speaker, by the median clip of each:",
                *_level_findings(rows, measured),
            ),
            (
                charts.boxes(
                    rows, measured.level_db, output / "level.png", title="Level of the speech in each clip", unit="dBFS"
                ),
            ),
        ),
        Section(
            "How high",
            tuple(_pitch_findings(rows, measured)),
            (charts.pitch(rows, measured.pitch_hz, output / "pitch.png"),) if any(row.gender for row in rows) else (),
        ),
        Section(
            "How long",
            (),
            (charts.boxes(rows, measured.duration_s, output / "duration.png", title="Length of the clips", unit="seconds"),),
        ),
        _plane_section(root, rows, cache, output, dots=clips, progress=progress),
    ]
    if clips:
        drawn = pictures.draw(root, pictures.choose(rows), output / "clips")
        sections.append(
            Section(
                "One voice, one line, every emotion", ("Not for publication: corpus audio can be seen in it.",), tuple(drawn)
            )
        )
    return page.write(sections, output / "index.html", "The corpora")


def _level_findings(rows: Sequence[Row], measured: measures.Measures) -> list[str]:
    found = []
    for corpus in dict.fromkeys(row.corpus for row in rows):
        keep = [i for i, row in enumerate(rows) if row.corpus == corpus]
        own = [rows[i] for i in keep]
        apart = measures.differences(own, measured.level_db[keep], "angry", "sad")
        if len(apart):
            strong = [i for i in keep if rows[i].intensity == "strong" or rows[i].emotion == "neutral"]
            text = (
                f"{charts.named(corpus)}: angry lies {np.median(apart):.1f} dB above sad for the median speaker "
                f"({apart.min():.1f} to {apart.max():.1f})"
            )
            harder = measures.differences([rows[i] for i in strong], measured.level_db[strong], "angry", "sad")
            peak = measures.differences(own, measured.peak_db[keep], "angry", "sad")
            text += f"; by the loudest frame {np.median(peak):.1f} dB"
            if len(harder):
                text += f"; strong intensity alone {np.median(harder):.1f} dB"
            found.append(text + ".")
    return found


def _pitch_findings(rows: Sequence[Row], measured: measures.Measures) -> list[str]:
    found = []
    for corpus in dict.fromkeys(row.corpus for row in rows):
        for gender in ("female", "male"):
            keep = [i for i, row in enumerate(rows) if (row.corpus, row.gender) == (corpus, gender)]
            if keep:
                own = [rows[i] for i in keep]
                ratio = {}
                for emotion in ("angry", "happy", "sad"):
                    logs = measures.differences(own, 12 * np.log2(measured.pitch_hz[keep]), emotion, "neutral")
                    if len(logs):
                        ratio[emotion] = f"{emotion} {np.median(logs):+.1f}"
                if ratio:
                    who = "women" if gender == "female" else "men"
                    found.append(f"{charts.named(corpus)}, {who}: {', '.join(ratio.values())} semitones from neutral.")
    return found


def _plane_section(root: Path, rows: Sequence[Row], cache: Path, output: Path, *, dots: bool, progress: bool) -> Section:
    vectors = inputs.load("full", root, rows, cache, progress=progress)
    found: dict[str, measures.Neighbours] = {}
    texts, drawn = [], []
    for corpus in dict.fromkeys(row.corpus for row in rows):
        keep = [i for i, row in enumerate(rows) if row.corpus == corpus]
        if len({rows[i].speaker for i in keep}) > 1:
            one = measures.neighbours([rows[i] for i in keep], measures.standardised(vectors[keep]))
            found[corpus] = one
            texts.append(
                f"{charts.named(corpus)}: the nearest other clip is the same speaker's for {one.speaker:.0f} % "
                f"(by chance {one.speaker_chance:.0f}); it has the same emotion for {one.anyone:.0f} %, but only "
                f"{one.strangers:.0f} % when it must be another speaker's. A random split scores the former, a "
                "new voice the latter."
            )
    largest = max(found, key=lambda name: sum(row.corpus == name for row in rows), default=None)
    for name in [largest] if largest else []:
        keep = [i for i, row in enumerate(rows) if row.corpus == name]
        own, x = [rows[i] for i in keep], measures.standardised(vectors[keep])
        xy, share = measures.plane(x)
        axes_names = (f"first component, {100 * share[0]:.0f} % of the variance", f"second component, {100 * share[1]:.0f} %")
        title = f"{charts.named(name)}: the flattened vector in two principal components"
        drawn.append(
            charts.scatter(
                own, xy, output / "pca.png", title=title, axes_names=axes_names, dots=dots, groups="emotion and speaker"
            )
        )
        umap = _umap(x)
        if umap is not None:
            title = f"{charts.named(name)}: the flattened vector by UMAP"
            drawn.append(
                charts.scatter(
                    own, umap, output / "umap.png", title=title, axes_names=("", ""), dots=dots, groups="emotion and speaker"
                )
            )
    if len({row.corpus for row in rows}) > 1:
        x = measures.standardised(vectors)
        parts = {name: 100 * measures.explained([getattr(row, name) for row in rows], x) for name in ("corpus", "emotion")}
        texts.append(
            f"All corpora together: the corpus (its voices, room and microphone) explains {parts['corpus']:.0f} % of the "
            f"flattened vector's variance, the emotion {parts['emotion']:.0f} %."
        )
        xy, share = measures.plane(x)
        axes_names = (f"first component, {100 * share[0]:.0f} % of the variance", f"second component, {100 * share[1]:.0f} %")
        title = "All corpora: the flattened vector in two principal components"
        drawn.append(
            charts.scatter(rows, xy, output / "pca_corpora.png", title=title, axes_names=axes_names, dots=dots, groups="corpus")
        )
    if found:
        drawn.insert(0, charts.nearest(found, output / "neighbours.png"))
    return Section("Why a random split flatters", tuple(texts), tuple(drawn))


def _umap(x: measures.Values) -> measures.Values | None:
    """The plane that UMAP finds, where the umap-learn package is installed."""
    try:
        from umap import UMAP
    except ImportError:
        return None
    return np.asarray(UMAP(n_components=2, random_state=0).fit_transform(x), np.float64)
