"""Reading in a natural voice without acted emotion: ``speechocean`` and ``librispeech``.

Their clips have the label ``PLAIN``, which is no output of a model: training counts neutral and calm as correct.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from train.data.corpora.clip import Clip, Corpus, UnknownNameError

PLAIN = "plain"
_SPEECHOCEAN = re.compile(r"(\d{5})\d{4}")
_LIBRISPEECH = re.compile(r"(\d+)-\d+-\d+")


def _parse(corpus: str, name: re.Pattern[str], example: str) -> Callable[[Path], Clip]:
    def parse(path: Path) -> Clip:
        match = name.fullmatch(path.stem)
        if not match:
            raise UnknownNameError(f"expected a name such as {example}")
        return Clip(
            path=path.as_posix(),
            corpus=corpus,
            speaker=f"{corpus}-{match[1]}",
            emotion=PLAIN,
            sentence="",
            intensity="",
            gender="",
            channel="speech",
        )

    return parse


SPEECHOCEAN = Corpus(
    "speechocean",
    "250 readers of English as a foreign language, own telephones, no acted emotion",
    "https://www.openslr.org/101",
    "Apache-2.0",
    _parse("speechocean", _SPEECHOCEAN, "030070135"),
    language="English",
    size="500 of 5,000 clips",
    by_hand="take the archive from {url} and put two clips of each speaker, by their own names, into {folder}",
)
LIBRISPEECH = Corpus(
    "librispeech",
    "261 readers of audiobooks, no acted emotion",
    "https://www.openslr.org/12",
    "CC BY 4.0",
    _parse("librispeech", _LIBRISPEECH, "103-1240-0000"),
    language="English",
    size="261 clips, one a reader",
    by_hand="take train-clean-100 from {url} and put a clip of each reader, by its own name, into {folder}",
)
READERS = (SPEECHOCEAN.name, LIBRISPEECH.name)
