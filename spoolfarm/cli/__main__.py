"""`python -m spoolfarm.cli`: the command line."""

import sys

from spoolfarm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
