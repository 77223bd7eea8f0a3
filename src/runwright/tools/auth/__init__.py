# SPDX-License-Identifier: Apache-2.0
"""Credentials of tools: tokens of OAuth 2, the program's own and each user's."""

from runwright.tools.auth.user_credential import UserCredential

__all__ = ["UserCredential"]
