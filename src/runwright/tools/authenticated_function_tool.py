# SPDX-License-Identifier: Apache-2.0
"""AuthenticatedFunctionTool: a function that gets a credential of the user's."""

from collections.abc import Callable
from typing import Any, ClassVar

from runwright.context import ToolContext
from runwright.credential import AuthConfig
from runwright.errors import ToolExecutionError
from runwright.tool import FunctionTool
from runwright.tools.auth.user_credential import PENDING, UserCredential


class AuthenticatedFunctionTool(FunctionTool):
    """A function as a tool, whose parameter ``credential`` gets the user's credential, ready for use.

    The model is not shown that parameter. A user who has given no credential yet is asked for it, see
    ``Context.request_credential``, and the function is called when it is there: for OAuth with a token
    (``credential.oauth2["access_token"]``), which is refreshed shortly before it ends. Without an ``auth_config`` the
    function gets None.

    Args:
        func: The function.
        auth_config: What is asked for. Its endpoints are connected to wherever they are: it is the program's own word.
        response_for_auth_required: What the tool returns while the user is asked; hooks may see it, the model does not.
        options: As for ``FunctionTool``.

    Raises:
        MissingDependencyError: A token is needed, and the extra ``openapi`` is not installed; raised by the call.
    """

    hidden_parameters: ClassVar[tuple[str, ...]] = ("tool_context", "credential")

    def __init__(
        self,
        func: Callable[..., Any],
        *,
        auth_config: AuthConfig | None = None,
        response_for_auth_required: dict[str, Any] | str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(func, **options)
        has_scheme = auth_config is not None and bool(auth_config.auth_scheme)
        self._credential = UserCredential(auth_config) if auth_config is not None and has_scheme else None
        self._response: dict[str, Any] | str = response_for_auth_required or dict(PENDING)

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        credential = None
        if self._credential is not None:
            credential = await self._credential.ready(tool_context) or await self._credential.of_program()
            if credential is None:
                if self._credential.was_asked(tool_context):
                    raise ToolExecutionError(
                        "The credential that the user gave does not hold any more", "AUTH_REQUIRED"
                    )
                await self._credential.ask(tool_context)
                return self._response
        return await self.invoke(args, tool_context, {"credential": credential})
