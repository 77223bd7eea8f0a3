# SPDX-License-Identifier: Apache-2.0
"""Live runs: an agent and its user in both directions at once. The names are loaded when a live run needs them."""

from typing import TYPE_CHECKING

from runwright.lazy import lazy_names

if TYPE_CHECKING:
    from runwright.live.loop import run_live_flow as run_live_flow
    from runwright.live.queue import LiveRequestQueue as LiveRequestQueue
    from runwright.live.recording import is_recording as is_recording
    from runwright.live.request import is_task_completed as is_task_completed

__getattr__ = lazy_names(
    __name__,
    {
        "LiveRequestQueue": "queue",
        "is_recording": "recording",
        "is_task_completed": "request",
        "run_live_flow": "loop",
    },
)
