# SPDX-License-Identifier: Apache-2.0
"""What the kernels of several instruction sets share. A folder of kernels imports from here and from itself alone."""
