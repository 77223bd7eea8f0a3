# SPDX-License-Identifier: Apache-2.0
"""Runwright's benchmarks: `python -m benchmarks`, or `make bench` for a run side by side with google-adk."""
