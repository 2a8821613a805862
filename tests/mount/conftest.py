# SPDX-License-Identifier: Apache-2.0
"""The fixtures of mount_world.py, for pytest. Under a name of its own there, so that two folders' do not meet."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from mount_world import *  # noqa: E402,F401,F403
