"""One worker of the farm: ``python worker.py --help``."""

import sys

from spoolfarm.worker.worker import main

if __name__ == "__main__":
    sys.exit(main())
