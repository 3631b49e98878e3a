"""The command `ser`."""

import os
import shutil
import sys
import sysconfig

from ser_rs import _ser


def main() -> int:
    """Runs the program with the arguments of this process; returns its exit code."""
    # Jobs of a cluster start the program again by this path.
    program = shutil.which("ser", path=sysconfig.get_path("scripts")) or os.path.abspath(sys.argv[0])
    return _ser.run(program, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
