"""The owner: the user to whom a farm belongs, who alone writes into it."""

from __future__ import annotations

import os
import pwd

from spoolfarm.errors import NotOwner
from spoolfarm.spool.files import user


def check(root: str) -> None:
    """Raise NotOwner when this process is root's and the spool at *root* belongs to another user.

    What root writes there that user could neither read nor remove.
    """
    owner = _other_owner(root)
    if owner is not None:
        raise NotOwner(f"{root} belongs to {user(owner)}", hint=f"do it as that user: sudo -u {user(owner)} ...")


def become(root: str) -> None:
    """When this process is root's and the spool at *root* belongs to another user, go on as that user, for good."""
    owner = _other_owner(root)
    if owner is None:
        return
    try:
        entry = pwd.getpwuid(owner)
        os.initgroups(entry.pw_name, entry.pw_gid)
        group = entry.pw_gid
    except KeyError:
        group = os.stat(root).st_gid
        os.setgroups([])
    os.setgid(group)
    os.setuid(owner)


def _other_owner(root: str) -> int | None:
    if os.geteuid() != 0:
        return None
    try:
        owner = os.stat(root).st_uid
    except OSError:
        return None  # there is no farm yet, or it cannot be looked at
    return owner or None
