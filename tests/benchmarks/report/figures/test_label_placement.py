"""Labels beside points: those that may be left out are, where only a line would tie them to their dot."""

from __future__ import annotations

import pytest

from benchmarks.report.figures.label_placement import Label, place


@pytest.mark.parametrize(("optional", "written"), [(False, ["wanted", "a name in the midst"]), (True, ["wanted"])])
def test_a_label_without_room_beside_its_dot_is_left_out_where_it_may_be(optional: bool, written: list[str]):
    from matplotlib.figure import Figure

    axes = Figure(figsize=(5, 4)).add_axes((0.1, 0.1, 0.8, 0.8), xlim=(0, 10), ylim=(0, 10))
    crowd = [(4.4 + 0.1 * across, 4.4 + 0.1 * up) for across in range(13) for up in range(13)]
    labels = [Label(1, 9, "wanted", optional=optional), Label(5, 5, "a name in the midst", optional=optional)]
    place(axes, labels, [*crowd, (1, 9)])
    assert [text.get_text() for text in axes.texts] == written
