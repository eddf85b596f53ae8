"""The kinds of test-time augmentation, as data: which views of an image each has. No torch, so that costs are known.

A new kind is one entry of `VIEWS` (and of `Recipe.tta`'s names); `zoo/inference/tta.py` makes the views.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple


class Warp(NamedTuple):
    """How a view is warped: `zoom`, rotation in `degrees`, and shifts `across` and `down` as shares of the side."""

    zoom: float = 1.0
    degrees: float = 0.0
    across: float = 0.0
    down: float = 0.0


@dataclass(frozen=True)
class Views:
    """The views of one kind: the centre, the `corners` too, or a view for each of the `warps`; each also `mirrored`."""

    corners: bool = False
    warps: tuple[Warp, ...] = ()
    mirrored: bool = True

    @property
    def count(self) -> int:
        """How many views an image has, each of them a forward pass."""
        return len(self.each())

    def each(self, cropped: bool = False) -> frozenset[tuple[Warp | str, bool]]:
        """Return the views, each with whether it is mirrored: what two kinds share is computed once.

        `cropped` says whether the network sees only a part of the image anyway. Else corners and their centre are cut
        from an image that is enlarged for them, and the centre is a view of its own.
        """
        places: tuple[Warp | str, ...] = self.warps or (Warp(),)
        if self.corners:
            places = (*CORNERS, Warp() if cropped else "centre")
        return frozenset(product(places, (False, True) if self.mirrored else (False,)))


CORNERS = ("top left", "top right", "bottom left", "bottom right")
ANGLES, ZOOMS = (-8.0, 0.0, 8.0), (0.9, 1.0, 1.1)
SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # in sixteenths of the side

VIEWS = {
    "none": Views(mirrored=False),
    "flip": Views(),
    "ten_crop": Views(corners=True),
    "shift": Views(warps=tuple(Warp(across=x / 16, down=y / 16) for x, y in SHIFTS)),
    "scale": Views(warps=tuple(Warp(zoom=zoom) for zoom in ZOOMS)),
    "rotate": Views(warps=tuple(Warp(degrees=degrees) for degrees in ANGLES)),
    "grid": Views(warps=tuple(Warp(zoom=zoom, degrees=degrees) for zoom in ZOOMS for degrees in ANGLES)),
}
