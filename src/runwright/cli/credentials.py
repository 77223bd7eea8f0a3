# SPDX-License-Identifier: Apache-2.0
"""Asks the person at the terminal for a credential that a tool needs: a URL to open, or a key to type."""

from collections.abc import Callable
from typing import Any

Show = Callable[[str], None]
Read = Callable[[str], str | None]
"""Reads a line after a prompt; None where there is none."""


def ask_credential(args: dict[str, Any], show: Show, read: Read, read_secret: Read) -> dict[str, Any]:
    """The response to a call of ``adk_request_credential``; nothing typed is a no.

    Args:
        args: The call's arguments.
        show: Shows a line.
        read: Reads one.
        read_secret: The same, without showing what is typed.
    """
    config: dict[str, Any] = args.get("authConfig") or {}
    scheme: dict[str, Any] = config.get("authScheme") or {}
    exchanged: dict[str, Any] = config.get("exchangedAuthCredential") or {}
    oauth2: dict[str, Any] = exchanged.get("oauth2") or {}
    if uri := oauth2.get("authUri"):
        show("A tool needs access in your name. Open this in a browser:")
        show(str(uri))
        back = _typed(read("The URL that it sends you to (empty for no): "))
        given = {**exchanged, "oauth2": {**oauth2, "authResponseUri": back}} if back else None
    elif scheme.get("type") == "apiKey":
        show(f"A tool needs your API key ({scheme.get('name') or config.get('credentialKey')}).")
        key = _typed(read_secret("API key (empty for no): "))
        given = {"authType": "apiKey", "apiKey": key} if key else None
    else:
        given = _http(scheme, show, read, read_secret)
    return {**config, "exchangedAuthCredential": given}


def _http(scheme: dict[str, Any], show: Show, read: Read, read_secret: Read) -> dict[str, Any] | None:
    name = str(scheme.get("scheme") or "bearer")
    if name.lower() == "basic":
        show("A tool needs your user name and password.")
        user = _typed(read("User name (empty for no): "))
        fields = {"username": user, "password": read_secret("Password: ") or ""} if user else None
    else:
        show("A tool needs your token.")
        token = _typed(read_secret("Token (empty for no): "))
        fields = {"token": token} if token else None
    return None if fields is None else {"authType": "http", "http": {"scheme": name, "credentials": fields}}


def _typed(line: str | None) -> str:
    return (line or "").strip()
