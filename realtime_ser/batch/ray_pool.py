"""Recordings judged on a Ray cluster: paths travel there, answers travel back, audio stays where it is.

Ray Data runs a stage of actors, each of which loads the model once. A worker or node that dies is replaced and its recordings
are judged again; an answer that has arrived is in the journal already.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from realtime_ser.batch.inputs import STDIN, Recording
from realtime_ser.batch.judge import Judged, failed, judge_from, settings
from realtime_ser.batch.result import make_row
from realtime_ser.batch.run import Answers, Batch, Pool
from realtime_ser.errors import ConfigError, SourceError
from realtime_ser.text import one_line, to_install

_RETRIES = 2
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
        raise ConfigError(f"--ray needs Ray, or use --jobs N on this machine; {to_install('ray')}") from error

    def pool(recordings: Sequence[Recording]) -> Answers:
        if any(recording.path == STDIN for recording in recordings):
            raise ConfigError("--ray takes files, which every machine must see under the same path, and not standard input")
        # Ray writes every step of its plan, and of every worker that dies, on standard error; what matters is in the rows.
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        began = not ray.is_initialized()
        if began:
            try:
                alone = {} if address is not None else {"include_dashboard": False}
                ray.init(address=address, logging_level=logging.CRITICAL, log_to_driver=False, **alone)
            except (ConnectionError, ValueError, RuntimeError) as error:
                reason = one_line(error, 200)
                raise SourceError(f"cannot reach the Ray cluster {address or 'on this machine'}: {reason}") from error
        try:
            yield from _answers(ray, batch, recordings, jobs or max(1, int(ray.cluster_resources().get("CPU", 1))))
        finally:
            if began:
                ray.shutdown()

    return pool


def _answers(ray: Any, batch: Batch, recordings: Sequence[Recording], jobs: int) -> Answers:
    """Answers as they come. What a first pass does not bring back, as its worker died again and again, goes one by one."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a recording that kills its workers ends no run
    left = dict(enumerate(recordings))
    for size in (min(_BATCH, max(1, len(recordings) // (4 * jobs))), 1):
        if not left:
            return
        paths = ray.data.from_items(
            [{"index": index, "path": json.dumps(each.path)} for index, each in left.items()],
            override_num_blocks=-(-len(left) // size),
        )
        with warnings.catch_warnings():
            # Remote arguments are to be named ones from Ray 2.64 on; in 2.60 this one has no name yet.
            warnings.simplefilter("ignore", DeprecationWarning)
            dataset = paths.map_batches(
                RayJudge,
                fn_constructor_args=(settings(batch.classifier, batch.config, split=batch.split),),
                batch_size=size,
                compute=ray.data.ActorPoolStrategy(size=jobs),
                max_task_retries=_RETRIES,
            )
        for row in dataset.iter_rows():
            if batch.stopped():
                return
            # An answer may come twice, when its worker died after it was sent.
            recording = left.pop(row["index"], None)
            if recording is not None:
                yield recording, Judged.from_json(json.loads(row["answer"]))
    like = make_row("", batch.session, {}, None, None)
    for recording in left.values():
        yield recording, failed(recording.path, like, f"{_RETRIES + 1} workers died of it")
