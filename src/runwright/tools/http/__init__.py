# SPDX-License-Identifier: Apache-2.0
"""HTTP for tools: clients that connect only to addresses that were checked. Needs the extra ``openapi``."""
