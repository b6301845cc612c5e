"""What a process of a pool does first."""

from __future__ import annotations

import multiprocessing
import os
import threading


def begin_worker() -> None:
    """Prepare a worker: one BLAS thread, because there is one worker per core, and end with the parent."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker is not notified when its parent is killed: it would wait for its next clip for ever.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
