# SPDX-License-Identifier: Apache-2.0
"""HTTP APIs that an OpenAPI document describes, as tools. Needs the extra ``openapi``."""

from runwright.tools.openapi.operation import OperationEndpoint
from runwright.tools.openapi.rest_api_tool import RestApiTool
from runwright.tools.openapi.toolset import OpenAPIToolset

__all__ = ["OpenAPIToolset", "OperationEndpoint", "RestApiTool"]
