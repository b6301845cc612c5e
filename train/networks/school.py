"""``large`` and the small networks that learn from it, on the same drawn windows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from realtime_ser.errors import ConfigError
from realtime_ser.records import FloatArray
from train.atomic import replacing
from train.data import manifest
from train.data.corpora import LABELS
from train.data.corpora.readers import PLAIN
from train.data.corpora.reserved import may_train
from train.data.corpora.sounds import NOBODY
from train.data.encoder_file import encoder_file, missing
from train.data.manifest import Manifest, Row
from train.networks import convolutions_fit
from train.networks.drawn import Drawing, Draws, learned, load_pool
from train.networks.lessons import answers, only, shelves, to_answer
from train.networks.pool import Pool
from train.networks.taught import Teaching, fit_taught
from train.networks.trainer import Data
from train.networks.waveform import Waveform
from train.networks.waveform_fit import blended, train
from train.paths import Paths
from train.recipe import ConvolutionsRecipe, Recipe, WaveformRecipe
from train.sampling.batches import FrameBatches, VectorBatches

LARGE, CNN = "large", "cnn"


@dataclass(frozen=True)
class School:
    """Everything that networks on drawn windows learn from.

    Attributes
    ----------
    acted : all clips with one of our labels that some fold learns from
    recipe : of ``large``
    """

    paths: Paths
    acted: tuple[Row, ...]
    recipe: WaveformRecipe = field(default_factory=WaveformRecipe)

    @cached_property
    def beside(self) -> tuple[Row, ...]:
        """Readers and sounds that may train."""
        rows = may_train(manifest.load(self.paths.manifest).rows)
        return tuple(row for row in rows if row.emotion in (PLAIN, NOBODY))

    @cached_property
    def pool(self) -> Pool:
        """The windows that all folds learn from, drawn once.

        Raises
        ------
        ConfigError : there is no encoder
        """
        encoder = encoder_file(self.paths.corpora)
        if not encoder.is_file():
            raise ConfigError(missing(encoder))
        return load_pool(self.paths.corpora, (*self.acted, *self.beside), self.drawing, encoder, self.paths.cache)

    @property
    def drawing(self) -> Drawing:
        """How these windows are drawn."""
        return Drawing(self.recipe.drawn, self.recipe.size, power=self.recipe.corpus_power)

    def folder(self, name: str, seed: int = 0) -> Path:
        """The folder of one of ``large``'s runs."""
        return self.paths.runs / LARGE / (name if seed == 0 else f"{name}-seed-{seed}")

    def folders(self, name: str, number: int = 0) -> list[Path]:
        """The folders of the networks whose mean a repetition of ``large`` is."""
        networks = self.recipe.networks
        return [self.folder(name, seed) for seed in range(number * networks, (number + 1) * networks)]

    def large(self, rows: Sequence[Row], name: str, *, number: int = 0, threads: int = 1) -> Waveform:
        """Train ``large`` on acted rows, and on what lies beside them; or load those runs.

        Parameters
        ----------
        number : of the repetition: each uses as many further seeds as the recipe has networks
        """
        first = number * self.recipe.networks
        return blended([self._one(rows, name, first + i, threads) for i in range(self.recipe.networks)])

    def _one(self, rows: Sequence[Row], name: str, seed: int, threads: int) -> Waveform:
        recipe = self.recipe
        draws = self._draws(rows, seed, recipe)
        encoder, known = encoder_file(self.paths.corpora), digest(rows, self.pool)
        return train(draws, recipe, encoder, self.folder(name, seed), digest=known, seed=seed, threads=threads)

    def _draws(self, rows: Sequence[Row], seed: int, recipe: WaveformRecipe | ConvolutionsRecipe) -> Draws:
        return Draws(
            self.pool,
            rows,
            np.random.default_rng([seed, 0]),
            readers=recipe.readers,
            sounds=recipe.sounds,
            groups=recipe.groups,
            power=self.recipe.corpus_power,
        )

    def cnn(self, recipe: ConvolutionsRecipe, rows: Sequence[Row], name: str, *, number: int = 0, threads: int = 1) -> Waveform:
        """Train ``cnn``, taught by the ``large`` that learned from the same rows, which is trained first; or load that run."""
        teacher, encoder = self.large(rows, name, threads=threads), encoder_file(self.paths.corpora)
        draws = self._draws(rows, number, recipe)
        folder = self.cnn_folder(name, number)
        known = digest(rows, self.pool)
        return convolutions_fit.train(draws, recipe, teacher, encoder, folder, digest=known, seed=number, threads=threads)

    def cnn_folder(self, name: str, number: int = 0) -> Path:
        """The folder of one of ``cnn``'s runs."""
        return self.paths.runs / CNN / (name if number == 0 else f"{name}-seed-{number}")

    def taught(
        self, system: str, recipe: Recipe, rows: Sequence[Row], name: str, *, number: int = 0, threads: int = 1
    ) -> list[nn.Module]:
        """The networks of a small system, taught by the first network of the ``large`` that learned from the same rows.

        Parameters
        ----------
        number : of the repetition: each uses as many further seeds as the recipe has networks
        """
        torch.set_num_threads(threads)
        own = {id(entry) for entry in learned(self.pool, rows)}
        places = {place for place, entry in enumerate(self.pool.entries) if id(entry) in own}
        taught = recipe.taught
        assert taught is not None
        # The network that ships has all of the teacher's answers, a fold's some: they take most of the time.
        most = 0 if name == "all" else taught.answers
        soft = self._answers(rows, name, to_answer(self.pool, sorted(places), most), threads)
        # Features lie beside the pool, so that all folds read them.
        shelf = [only(each, places) for each in shelves(self.pool, recipe.spec, self.pool.folder)]
        teaching = Teaching(shelf, self.pool.entries, soft, recipe, self._clips(recipe, rows))
        runs = self.paths.runs / system
        return [
            fit_taught(teaching, recipe, runs / f"{name}-{seed}", seed=seed, identity=digest(rows, self.pool))
            for seed in range(number * recipe.networks, (number + 1) * recipe.networks)
        ]

    def _clips(self, recipe: Recipe, rows: Sequence[Row]) -> VectorBatches | FrameBatches | None:
        """Batches of windows of the clips, from the cache or computed."""
        taught = recipe.taught
        if taught is None or not taught.clips:
            return None
        if recipe.spec.recipe != "stacked":  # a batch holds drawn windows too
            recipe = replace(recipe, batch=max(1, round(recipe.batch * taught.clips)))
        data = Data(self.paths.corpora, self.acted, recipe, self.paths.cache)
        return data.batches(rows, across=recipe.across, cold=1 - taught.pasts)

    def _answers(self, rows: Sequence[Row], name: str, places: Sequence[int], threads: int) -> FloatArray:
        """The answers of the rows' ``large`` to these groups, kept beside its checkpoint."""
        # The first network alone: a second one would double a fold's time, and no trial taught by their mean gained.
        teacher = self._one(rows, name, 0, threads)
        content = hashlib.sha256(b"".join(value.numpy().tobytes() for value in teacher.state_dict().values()))
        content.update(np.array(places).tobytes())
        file = self.folder(name) / f"answers-{content.hexdigest()[:12]}.npy"
        if not file.is_file():
            with replacing(file) as temporary, temporary.open("wb") as out:
                np.save(out, answers(teacher, self.pool, places))
        return np.asarray(np.load(file), np.float32)


def digest(rows: Sequence[Row], pool: Pool) -> str:
    """What a run learned from: its clips with a label, and the pool, whose key covers readers and sounds too."""
    acted = sorted((row for row in rows if row.emotion in LABELS), key=lambda row: row.path)
    known = f"{Manifest(tuple(acted)).key('corpus', 'speaker', 'emotion')} {pool.folder.name}"
    return hashlib.sha256(known.encode()).hexdigest()[:16]
