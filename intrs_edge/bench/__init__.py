# SPDX-License-Identifier: Apache-2.0
"""The int8 engine beside other engines on this computer, in one run: what `bench` prints."""
