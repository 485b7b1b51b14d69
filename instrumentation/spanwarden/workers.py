"""Worker processes of `multiprocessing` end what they have open, and send it, before they go.

A worker that was forked leaves by `os._exit`, past Python's exit handlers and so past the SDK's, which would send what
is queued. `multiprocessing` has handlers of its own for what a worker has to finish; pools of `concurrent.futures` use
its workers, too. Workers that are spawned run both kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from spanwarden.guard import Counts, guarded
from spanwarden.recorder import Recorder

MODULE: Final = "multiprocessing.util"
_AFTER_ALL_OTHERS: Final = -1_000
"""Other handlers may wait for work that is under way, queues with priority -5 for instance."""


class Leaving:
    """What to do for a recorder when a forked worker ends, and for the providers that there are by then."""

    def __init__(self, recorder: Recorder, providers: Callable[[], Iterable[Any]]) -> None:
        self.counts: Counts = recorder.counts
        self._recorder = recorder
        self._providers = providers

    def watch(self, util: Any) -> list[Callable[[], None]]:
        """Have the workers that this process forks tell when they end; their own handlers start empty."""

        def prepare(leaving: Leaving) -> None:
            util.Finalize(None, leaving.leave, exitpriority=_AFTER_ALL_OTHERS)

        util.register_after_fork(self, prepare)
        return []

    @guarded
    def leave(self) -> None:
        """End what is open, and send all that is queued, as far as the exporter's own time limit allows."""
        self._recorder.finish()
        for provider in self._providers():
            flush = getattr(provider, "force_flush", None)  # the API's own providers have nothing to send
            if flush is not None:
                flush()
