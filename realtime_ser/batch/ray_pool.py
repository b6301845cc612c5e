"""Recordings judged on a Ray cluster: paths travel there, answers travel back, audio stays where it is.

Ray Data runs a stage of actors, each of which loads the model once. A worker or node that dies is replaced and its recordings
are judged again; an answer that has arrived is in the journal already.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from realtime_ser.batch.inputs import STDIN, Recording
from realtime_ser.batch.judge import Judged, judge_from, settings
from realtime_ser.batch.run import Answers, Batch, Pool
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.text import one_line

_BATCH = 8  # recordings of a task: what is judged again when a worker dies


class RayJudge:
    """An actor: classifies batches of paths.

    Parameters
    ----------
    settings : see ``judge.settings``; the model's path must be the same on every machine
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._judge = judge_from(settings)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """{"index", "path"} of some recordings -> {"index", "answer"}, each answer as JSON text."""
        answers = []
        for path in batch["path"]:
            # Arrow holds only text that is UTF-8; JSON carries every path.
            judged = self._judge.judge(json.loads(path))
            assert judged is not None, "nobody stops it"
            answers.append(json.dumps(judged.as_json()))
        return {"index": list(batch["index"]), "answer": answers}


def on_ray(batch: Batch, address: str | None, jobs: int | None) -> Pool:
    """A pool of actors on a cluster.

    Parameters
    ----------
    batch : for model and settings
    address : of a running cluster ("auto", "ray://host:10001"); None: one that lives on this machine during the run
    jobs : actors, each of which takes one processor; None: one for each processor of the cluster

    Raises
    ------
    ConfigError : Ray is not installed, or a recording is on standard input
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError("--ray needs Ray: pip install 'realtime-ser[ray]', or use --jobs N on this machine") from error

    def pool(recordings: Sequence[Recording]) -> Answers:
        if any(recording.path == STDIN for recording in recordings):
            raise ConfigError("--ray takes files, which every machine must see under the same path, and not standard input")
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells every step of its plan on standard error
        began = not ray.is_initialized()
        if began:
            try:
                alone = {} if address is not None else {"include_dashboard": False}
                ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **alone)
            except (ConnectionError, ValueError, RuntimeError) as error:
                reason = one_line(error, 200)
                raise SourceError(f"cannot reach the Ray cluster {address or 'on this machine'}: {reason}") from error
        try:
            yield from _answers(ray, batch, recordings, jobs or max(1, int(ray.cluster_resources().get("CPU", 1))))
        finally:
            if began:
                ray.shutdown()

    return pool


def _answers(ray: Any, batch: Batch, recordings: Sequence[Recording], jobs: int) -> Iterator[tuple[Recording, Judged]]:
    ray.data.DataContext.get_current().enable_progress_bars = False
    items = [{"index": index, "path": json.dumps(each.path)} for index, each in enumerate(recordings)]
    dataset = ray.data.from_items(items).map_batches(
        RayJudge,
        fn_constructor_args=(settings(batch.classifier, batch.config),),
        batch_size=min(_BATCH, max(1, len(items) // (4 * jobs))),
        compute=ray.data.ActorPoolStrategy(size=jobs),
    )
    seen: set[int] = set()
    for row in dataset.iter_rows():
        if batch.stopped():
            return
        if row["index"] not in seen:
            seen.add(row["index"])
            yield recordings[row["index"]], Judged.from_json(json.loads(row["answer"]))
