"""The verb `doctor`: the machine, the settings and the farm examined."""

from __future__ import annotations

import argparse
import json

from spoolfarm.cli.commands import takes_json

TEXT = "check this machine, the settings and the farm"

takes = takes_json


def run(options: argparse.Namespace) -> int:
    """Check the machine, the settings and the farm."""
    from spoolfarm.cli.doctor import examine
    from spoolfarm.cli.finding import Level

    failed = False
    for finding in examine():
        print(json.dumps(finding.record()) if options.json else finding.line())
        failed |= finding.level is Level.FAIL
    return int(failed)
