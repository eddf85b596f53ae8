"""What `make thorough` tests and `make test` leaves out: it repeats at length what the rest shows in short."""

from __future__ import annotations

import os

from zoo.member import Member

THOROUGH = bool(os.environ.get("THOROUGH"))
LIGHT_PARAMS, LIGHT_MACS = 25e6, 0.4e9
"""Parameters and multiply-adds up to which a network is looked at by every test: larger ones are of the same layers."""


def looked_at(member: Member) -> bool:
    """Return whether tests of every network take this one."""
    return THOROUGH or ((member.params or 0) <= LIGHT_PARAMS and (member.macs or 0) <= LIGHT_MACS)
