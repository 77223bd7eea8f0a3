# SPDX-License-Identifier: Apache-2.0
"""Agents served to other programs."""
