# SPDX-License-Identifier: Apache-2.0
"""torch.export programs -> QDQ ONNX: ``file`` opens the archive, ``ops`` says what each call is in ONNX."""
