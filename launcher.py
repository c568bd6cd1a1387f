"""The farm: ``python launcher.py --help``."""

import sys

from spoolfarm.launcher.launcher import main

if __name__ == "__main__":
    sys.exit(main())
