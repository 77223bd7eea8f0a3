# SPDX-License-Identifier: Apache-2.0
"""The plugins that come with Runwright. Give them to ``App(plugins=[...])`` or ``Runner(plugins=[...])``."""

from runwright.plugins.context_filter import ContextFilterPlugin
from runwright.plugins.debug_logging import DebugLoggingPlugin
from runwright.plugins.global_instruction import GlobalInstructionPlugin
from runwright.plugins.logging import LoggingPlugin
from runwright.plugins.retry import REFLECT_AND_RETRY_RESPONSE_TYPE, ReflectAndRetryToolPlugin, TrackingScope
from runwright.plugins.save_files import SaveFilesAsArtifactsPlugin

__all__ = [
    "REFLECT_AND_RETRY_RESPONSE_TYPE",
    "ContextFilterPlugin",
    "DebugLoggingPlugin",
    "GlobalInstructionPlugin",
    "LoggingPlugin",
    "ReflectAndRetryToolPlugin",
    "SaveFilesAsArtifactsPlugin",
    "TrackingScope",
]
