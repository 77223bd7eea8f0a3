# SPDX-License-Identifier: Apache-2.0
"""Sessions in files: the service, and the logs, their lines and the shared state that it keeps them in."""

from runwright.sessions.file.service import FileSessionService

__all__ = ["FileSessionService"]
