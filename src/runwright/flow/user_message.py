# SPDX-License-Identifier: Apache-2.0
"""A user's message on its way into the log: what is secret in it, what hooks make of it, and its files."""

from runwright.artifact import save_files
from runwright.event import EventActions
from runwright.flow.credentials import take_credentials
from runwright.invocation import InvocationContext
from runwright.types import Content, to_content


async def received(ctx: InvocationContext, message: Content, actions: EventActions) -> Content:
    """The message as it is stored. The run's ``user_content`` is it, too.

    Args:
        actions: What is stored with it; the versions of its files go there, and what keeping credentials changes.

    Raises:
        StorageError: A service failed; the message may be sent again.
    """
    # Before anybody else sees the message.
    message = ctx.user_content = await take_credentials(ctx, message, actions)
    if ctx.plugin_manager.listens("on_user_message_callback"):
        answer = await ctx.plugin_manager.first_answer(
            "on_user_message_callback", invocation_context=ctx, user_message=message
        )
        message = message if answer is None else to_content(answer)
    if ctx.run_config.save_input_blobs_as_artifacts:
        message, actions.artifact_delta = await save_files(
            message,
            ctx.artifact_service,
            app_name=ctx.app_name,
            user_id=ctx.user_id,
            session_id=ctx.session.id,
            invocation_id=ctx.invocation_id,
        )
    ctx.user_content = message
    return Content(role="user", parts=message.parts)
