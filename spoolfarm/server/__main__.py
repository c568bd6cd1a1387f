"""`python -m spoolfarm.server`: the front alone."""

import sys

from spoolfarm.server.front import main

if __name__ == "__main__":
    sys.exit(main())
