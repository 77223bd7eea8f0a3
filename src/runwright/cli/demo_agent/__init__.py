# SPDX-License-Identifier: Apache-2.0
"""The agent of ``runwright demo``: its tools, its data, and a model that needs no key."""
