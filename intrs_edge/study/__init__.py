# SPDX-License-Identifier: Apache-2.0
"""Studies: the figures of the paper and more, each from one TOML file (``studies/``); see docs/study.md."""
