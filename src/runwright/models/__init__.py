# SPDX-License-Identifier: Apache-2.0
"""Adapters to the providers' models, each over the provider's own SDK, which is imported when it is first used."""
