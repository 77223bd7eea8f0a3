# SPDX-License-Identifier: Apache-2.0
"""``python -m runwright.cli``: the command line."""

from runwright.cli import main

if __name__ == "__main__":
    main()
