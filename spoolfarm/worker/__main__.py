"""`python -m spoolfarm.worker`: one worker of the farm."""

import sys

from spoolfarm.worker import main

if __name__ == "__main__":
    sys.exit(main())
