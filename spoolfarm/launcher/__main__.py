"""`python -m spoolfarm.launcher`: the farm."""

import sys

from spoolfarm.launcher import main

if __name__ == "__main__":
    sys.exit(main())
