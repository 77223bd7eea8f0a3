# SPDX-License-Identifier: Apache-2.0
"""Failed asserts of the suites that several stores share show their values."""

import pytest

pytest.register_assert_rewrite("tests.contract.durable_memories")
