# SPDX-License-Identifier: Apache-2.0
"""ContextFilterPlugin: shows models the newest part of a conversation alone."""

from collections.abc import Callable, Sequence

from runwright.context import CallbackContext
from runwright.errors import ConfigurationError
from runwright.model import RETOLD, LlmRequest, is_said_by_user
from runwright.plugin import BasePlugin
from runwright.types import Content


class ContextFilterPlugin(BasePlugin):
    """Keeps the newest invocations' messages in each request. The session keeps them all.

    An invocation begins with what the user says and ends before they speak again, so a function call is never parted
    from its response. Messages that retell what another agent said belong to the invocation they are in.

    Args:
        num_invocations_to_keep: How many; None for all. The running one counts.
        custom_filter: Makes of the messages that are left those that are sent.
        name: The plugin's name.

    Raises:
        ConfigurationError: ``num_invocations_to_keep`` is less than 1.
    """

    def __init__(
        self,
        num_invocations_to_keep: int | None = None,
        custom_filter: Callable[[list[Content]], list[Content]] | None = None,
        name: str = "context_filter_plugin",
    ) -> None:
        super().__init__(name)
        if num_invocations_to_keep is not None and num_invocations_to_keep < 1:
            raise ConfigurationError(
                f"num_invocations_to_keep is at least 1, or None to keep all, not {num_invocations_to_keep}"
            )
        self.num_invocations_to_keep = num_invocations_to_keep
        self.custom_filter = custom_filter

    async def before_model_callback(self, *, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        contents = llm_request.contents
        if self.num_invocations_to_keep is not None:
            contents = contents[_start_of_newest(contents, self.num_invocations_to_keep) :]
        if self.custom_filter is not None:
            contents = self.custom_filter(list(contents))
        llm_request.contents = contents


def _start_of_newest(contents: Sequence[Content], count: int) -> int:
    """Where the newest ``count`` invocations begin; looks at no message that is older."""
    is_said = False
    for index in range(len(contents) - 1, -1, -1):
        was_said, is_said = is_said, _is_said_by_user(contents[index])
        if was_said and not is_said:
            count -= 1
            if count == 0:
                return index + 1
    return 0


def _is_said_by_user(content: Content) -> bool:
    return bool(content.parts) and content.parts[0].text != RETOLD and is_said_by_user(content)
