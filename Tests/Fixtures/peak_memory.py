#!/usr/bin/env python3
"""Runs a command and writes the most memory that it held, in KiB, into a file.

  Tests/Fixtures/peak_memory.py FILE COMMAND ARGUMENT…

Ends as the command does; with 128 and the signal's number where one ended it.
"""

import pathlib
import resource
import subprocess
import sys

status = subprocess.call(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
pathlib.Path(sys.argv[1]).write_text(str(peak))
sys.exit(status if status >= 0 else 128 - status)
