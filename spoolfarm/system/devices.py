"""The devices: which of the machine's accelerators a worker gets."""

from __future__ import annotations

import os
import re

#: The variable that tells CUDA programs which devices they may use.
VARIABLE = "CUDA_VISIBLE_DEVICES"


def dealt(number: int, named: str | None, devices: str = "/dev") -> str | None:
    """The value of the variable for worker *number*, counted from 1, so that each gets one device in turn.

    *named* is the variable's current value, if it is set: then those devices are dealt, otherwise the machine's. None
    when there is nothing to deal.
    """
    if named is None:
        count = sum(bool(re.fullmatch(r"nvidia\d+", name)) for name in os.listdir(devices))
        known = [str(device) for device in range(count)]
    else:
        known = [device.strip() for device in named.split(",") if device.strip()]
    return known[(number - 1) % len(known)] if len(known) > 1 else None
