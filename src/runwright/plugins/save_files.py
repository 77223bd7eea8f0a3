# SPDX-License-Identifier: Apache-2.0
"""SaveFilesAsArtifactsPlugin: files in the user's messages become artifacts."""

from typing import Any

from runwright.agent import BaseAgent
from runwright.artifact import save_files
from runwright.context import CallbackContext
from runwright.invocation import InvocationContext
from runwright.plugin import BasePlugin
from runwright.state import TEMP_PREFIX
from runwright.types import Content


class SaveFilesAsArtifactsPlugin(BasePlugin):
    """Saves the files in each message of a user as artifacts, and puts a line of text that names them in their place.

    A file's name is its ``display_name``; one that starts with ``user:`` is kept for all sessions of the user. A name
    that is there already gets a new version. The first event of the run's agent tells the versions in its
    ``artifact_delta``. A tool loads the files by ``tool_context.load_artifact(name)``.

    Args:
        name: The plugin's name.
        attach_file_reference: Also hands the model the file's URI, where the artifact service has one that providers
            can read (``gs:``, ``https:``, ``http:``).
    """

    def __init__(self, name: str = "save_files_as_artifacts_plugin", *, attach_file_reference: bool = True) -> None:
        super().__init__(name)
        self.attach_file_reference = attach_file_reference

    async def on_user_message_callback(
        self, *, invocation_context: InvocationContext, user_message: Content
    ) -> Content | None:
        session = invocation_context.session
        saved = await save_files(
            user_message,
            invocation_context.artifact_service,
            app_name=session.app_name,
            user_id=session.user_id,
            session_id=session.id,
            invocation_id=invocation_context.invocation_id,
            refer=self.attach_file_reference,
        )
        if not saved.versions:
            return None
        # The message's own event is not the plugin's to change: the versions wait in the run's state for the next one.
        session.state[self._key] = saved.versions
        return saved.content

    async def before_agent_callback(self, *, agent: BaseAgent, callback_context: CallbackContext) -> None:
        versions: dict[str, Any] | None = callback_context.session.state.pop(self._key, None)
        if versions:
            callback_context.actions.artifact_delta.update(versions)

    @property
    def _key(self) -> str:
        return f"{TEMP_PREFIX}{self.name}"
