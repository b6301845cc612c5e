"""Trains and exports a system: networks of one kind, or of two kinds joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from realtime_ser.errors import ConfigError
from realtime_ser.features.front_end import FrontEnd
from realtime_ser.features.normaliser import Normalisation
from realtime_ser.features.spec import FrontEndSpec
from realtime_ser.model.card import Card
from train.data.corpora import LABELS
from train.data.features import WINDOW_S
from train.data.manifest import Row
from train.data.splits import family
from train.networks.export import export
from train.networks.networks import OnLogMel, OnStatistics
from train.networks.school import School
from train.networks.trainer import Data, fit, normalisation
from train.paths import Paths
from train.recipe import Recipe
from train.settings import TrainSettings


@dataclass(frozen=True)
class Ensemble:
    """Trained networks whose probabilities are averaged, and the front end that they share.

    ``shares`` are each network's weight in the average; None: all alike. ``nobody``: their last output is "nobody speaks", said
    from a probability of ``nobody_from`` on.
    """

    networks: tuple[nn.Module, ...]
    spec: FrontEndSpec
    normalisation: Normalisation | None
    shares: tuple[float, ...] | None = None
    nobody: bool = False
    nobody_from: float = 0.0

    def export(
        self,
        path: Path,
        *,
        name: str,
        temperature: float = 1.0,
        labels: Sequence[str] = LABELS,
        facts: Mapping[str, object] | None = None,
    ) -> Card:
        """See ``train.networks.export``."""
        return export(
            self.networks,
            self.spec,
            path,
            name=name,
            temperature=temperature,
            shares=self.shares,
            normalisation=self.normalisation,
            labels=labels,
            nobody=self.nobody,
            nobody_from=self.nobody_from,
            facts=facts,
        )


def parts_of(settings: TrainSettings, system: str) -> tuple[str, ...]:
    """The systems whose networks a system averages: itself, and the one in ``joined`` of its recipe."""
    joined = settings.recipe(system).joined
    return (system, joined) if joined else (system,)


def load_data(paths: Paths, rows: Sequence[Row], settings: TrainSettings, system: str) -> Mapping[str, Data] | School:
    """Training data of each part of a system; of one that ``large`` teaches, what both learn from."""
    if settings.recipe(system).taught is not None:
        return School(paths, tuple(rows), settings.large)
    return {part: Data(paths.corpora, rows, settings.recipe(part), paths.cache) for part in parts_of(settings, system)}


def train(
    data: Mapping[str, Data] | School,
    rows: Sequence[Row],
    settings: TrainSettings,
    system: str,
    runs: Path,
    name: str,
    *,
    number: int = 0,
    threads: int = 1,
    dev: Sequence[Row] = (),
    test: Sequence[Row] = (),
) -> Ensemble:
    """Train, resume or just load the networks of one set of clips.

    Parameters
    ----------
    data : what ``load_data`` returned for the system
    runs : each network has its folder ``PART/NAME-SEED`` in it
    number : of the repetition: each uses as many further seeds as there are networks. ``train.seed`` comes before them: of a
        taught system it counts as so many repetitions, and the teacher stays the same
    dev : clips whose UAR is recorded during training, without influence on it
    test : their test clips; other clips of these corpora are excluded from training too
    """
    torch.set_num_threads(threads)
    rows = [row for row in rows if row.emotion in LABELS]
    if isinstance(data, School):
        recipe = settings.recipe(system)
        networks = data.taught(system, recipe, rows, name, number=settings.seed + number, threads=threads)
        section, said = normalisation(networks[0], recipe), settings.nobody_from.of(system)
        return Ensemble(tuple(networks), recipe.spec, section, nobody=True, nobody_from=said)
    trained = {}
    for part, learned in data.items():
        count, later = learned.recipe.networks, learned.recipe.others_first
        other = _taught_by_others(learned, [*rows, *dev, *test], settings, runs / part) if later else None
        # Vary the initialisation to decorrelate errors.
        begin = [None] * (count - later) + [other] * later
        across = [learned.recipe.across] * (count - later) + [0.0] * later
        trained[part] = [
            fit(
                learned,
                rows,
                runs / part / f"{name}-{i}",
                seed=settings.seed + i,
                dev=dev,
                first=begin[i % count],
                across=across[i % count],
            )
            for i in range(number * count, (number + 1) * count)
        ]
    recipes = [learned.recipe for learned in data.values()]
    sections = [normalisation(trained[part][0], learned.recipe) for part, learned in data.items()]
    if len(recipes) == 1:
        (networks,) = trained.values()
        return Ensemble(tuple(networks), recipes[0].spec, sections[0])
    return join_parts(recipes, list(trained.values()), sections)


def _taught_by_others(data: Data, kept_apart: Sequence[Row], settings: TrainSettings, runs: Path) -> nn.Module | None:
    """A network trained on the corpora of which none of these clips is; None where there is no other.

    RAVDESS speech and song are one corpus: they share their actors.
    """
    families = {family(row) for row in kept_apart}
    others = [row for row in data.rows if family(row) not in families]
    if not others:
        return None
    return fit(data, others, runs / "-".join(("first", *sorted({family(row) for row in others}))), seed=settings.seed)


def histories(data: Mapping[str, Data] | School, settings: TrainSettings, system: str, runs: Path, name: str) -> list[Path]:
    """The histories of the networks of one set of clips, first repetition."""
    if isinstance(data, School):
        count = settings.recipe(system).networks
        own = [runs / system / f"{name}-{settings.seed * count + i}" for i in range(count)]
        return [folder / "history.json" for folder in (data.folder(name), *own)]
    return [
        runs / part / f"{name}-{i}" / "history.json" for part, learned in data.items() for i in range(learned.recipe.networks)
    ]


def join_parts(
    recipes: Sequence[Recipe], networks: Sequence[Sequence[nn.Module]], sections: Sequence[Normalisation | None]
) -> Ensemble:
    """Networks on log-mel and networks on statistics, as one on ``joint`` features.

    The first recipe's ``joined_share`` weights the two kinds, independent of the number of networks of each.

    Raises
    ------
    ConfigError : their front ends or normalisations do not go together
    """
    if not 0 < recipes[0].joined_share < 1:
        raise ConfigError(f"joined_share is a part of the vote, between 0 and 1, not {recipes[0].joined_share:g}")
    spec, other = (recipe.spec for recipe in recipes)
    # frame_db concerns only the statistics.
    alike = replace(other, recipe="stacked", frame_db=spec.frame_db)
    if (spec.recipe, other.recipe) != ("stacked", "flatstats") or alike != spec:
        raise ConfigError("a joined system takes a stacked and a flatstats front end that are otherwise the same")
    log_mel, vector = sections
    both: Normalisation | None = None
    if log_mel and vector:
        if (log_mel.prior_s, log_mel.memory_s) != (vector.prior_s, vector.memory_s):
            raise ConfigError("a joined system's two normalisations need the same prior_s and memory_s")
        both = replace(vector, mean=vector.mean + log_mel.mean, deviation=vector.deviation + log_mel.deviation)
    elif log_mel or vector:
        raise ConfigError("of a joined system either both parts are normalised or none")
    joint = replace(other, recipe="joint")
    size = FrontEnd(joint, WINDOW_S).n_statistics
    frames = [OnLogMel(network, size, spec.n_mels) for network in networks[0]]
    statistics = [OnStatistics(network, size) for network in networks[1]]
    share = recipes[0].joined_share
    shares = (*[(1 - share) / len(frames)] * len(frames), *[share / len(statistics)] * len(statistics))
    return Ensemble((*frames, *statistics), joint, both, shares)
