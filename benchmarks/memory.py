# SPDX-License-Identifier: Apache-2.0
"""How much memory this process holds. Small, because it is also imported where imports are measured."""

import os
import sys

try:
    import resource
except ImportError:  # Windows
    resource = None

MB = 1024 * 1024


def resident_bytes() -> int:
    """Returns the resident memory now; where the system does not tell, the highest so far.

    Raises:
        OSError: This system tells neither (Windows).
    """
    if sys.platform == "linux":
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if resource is None:
        raise OSError("the benchmarks read memory from /proc or getrusage; run them on Linux or macOS")
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024
