"""A process of ``--jobs``: settings on the first line of its standard input, then a path a line; an answer a line out.

Lines are JSON. The process ends when its standard input does, also because the one that started it was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable
from typing import BinaryIO

from realtime_ser.batch.judge import judge_from


def serve(requests: Iterable[bytes], answers: BinaryIO) -> None:
    """Answer every request in turn."""
    judge = None
    for line in requests:
        request = json.loads(line)
        if judge is None:
            judge = judge_from(request)
            continue
        judged = judge.judge(request["path"])
        assert judged is not None, "nobody stops it"
        answers.write(json.dumps(judged.as_json()).encode() + b"\n")
        answers.flush()


def main() -> None:
    """Run until standard input ends."""
    # Ctrl-C reaches every process of a terminal; the first one decides what happens to this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what decoders print does not get between the answers
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
