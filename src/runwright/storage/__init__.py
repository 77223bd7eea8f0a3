# SPDX-License-Identifier: Apache-2.0
"""What the stores on disk are built on: connections, numbered migrations, and who is alive."""
