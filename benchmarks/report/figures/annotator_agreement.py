"""Accuracy by how far annotators agree on an image, beside what the annotators' own answers would score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.report.figures.style import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    SMALL,
    WIDTH,
    Chart,
    Marks,
    panel,
    sheet,
    shorten,
)
from benchmarks.results import Results
from benchmarks.results.summary import Agreement, LabelNoise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, FOOT, HIGH = 0.5, 0.62, 3.0  # inches
ASIDE = 0.1  # degrees of agreement by which the two models stand apart
MODELS = {  # role, sign in the key, colour, marker, place
    "headline": ("headline", "◆", BLUE, "D", -ASIDE),
    "single": ("best single", "●", ORANGE, "o", ASIDE),
}
PEOPLE: dict[
    Literal["most_by_label", "one_by_label"], tuple[str, str, str, Any]
] = {  # words, sign in the key, colour and dashes of the annotators' lines
    "most_by_label": ("the annotators' commonest answer", "━━", INK, "-"),
    "one_by_label": ("one annotator", "╍╍", GREY, (0, (4, 2))),
}


def agreement(results: Results) -> Chart | None:
    """Chart headline and best single member by annotators' agreement; None without votes."""
    noise = results["summary"]["label_noise"] if "summary" in results else None
    if not noise:
        return None
    degrees, of = noise["agreement"], noise["annotators"]
    model = "headline" if "headline" in noise["titles"] else "single"
    alone = len(noise["titles"]) == 1
    words = "the best single member" if alone else "the headline ensemble"
    last, first = (f"{100 * degree['says_label'][model]['value']:.0f} %" for degree in (degrees[-1], degrees[0]))
    title = f"Where {_words(degrees[-1])} of {of} annotators agree, {words} is right on {last} of the images"
    if len(degrees) > 1:
        title += f"; where {_words(degrees[0])} do, on {first}"
    test = results["splits"]["test"]["name"]
    note = (
        f"{test}; right is what {results['title']}'s label says. Bars: 95 % Wilson intervals. Lines: how often the "
        f"{of} annotators of an image are right, by their commonest answer (ties by lot) and one by one."
    )
    alt = f"Accuracy on {test} by the number of annotators who agree, with intervals, for " + " and ".join(
        noise["titles"].values()
    )
    return Chart(title, f"{alt}.", partial(_draw, title, note, noise))


def _words(degree: Agreement) -> str:
    """Say how many annotators agree; the degree that puts several together is the least of all."""
    return f"{degree['most']}" if degree["least"] == degree["most"] else f"{degree['most']} or fewer"


def _draw(title: str, note: str, noise: LabelNoise) -> Figure:
    degrees = noise["agreement"]
    figure = sheet(title, note, FOOT + HIGH + 0.1)
    axes = panel(figure, LEFT, FOOT, WIDTH - LEFT - MARGIN - 0.1, HIGH)
    names = [f"{_words(degree)}\n{degree['images']:,} images" for degree in degrees]
    axes.set(xlim=(-0.5, len(degrees) - 0.5), ylim=(0, 103), ylabel="right, %")
    axes.set_xticks(range(len(degrees)), names)
    axes.set_xlabel(f"annotators of {noise['annotators']} who give the commonest answer")
    axes.grid(axis="y")
    for key, (_, _, colour, dashes) in PEOPLE.items():
        heights = [100 * degree[key] for degree in degrees]
        axes.plot(range(len(degrees)), heights, color=colour, linewidth=1.2, linestyle=dashes, zorder=2)
    marks = Marks(axes)
    for part in noise["titles"]:
        _model(marks, part, degrees)
    marks.draw()
    _key(axes, noise["titles"])
    return figure


def _model(marks: Marks, part: str, degrees: Sequence[Agreement]) -> None:
    _, _, colour, marker, aside = MODELS[part]
    for position, degree in enumerate(degrees):
        share, x = degree["says_label"][part], position + aside
        low, high = (100 * bound for bound in share["interval"])
        marks.line([x, x], [low, high], color=colour, linewidth=1.6, alpha=0.55, zorder=3)
        marks.dot(x, 100 * share["value"], marker, color=colour, markersize=5, zorder=4)


def _key(axes: Axes, titles: Mapping[str, str]) -> None:
    """Explain the signs in the lower right corner, where no accuracy lies."""
    models = [(MODELS[part], f"{MODELS[part][0]}: {shorten(title, 36)}") for part, title in titles.items()]
    lines = [(sign, colour, words) for (_, sign, colour, *_), words in models]
    lines += [(sign, colour, words) for words, sign, colour, _ in PEOPLE.values()]
    for place, (sign, colour, words) in enumerate(reversed(lines)):
        height = 0.035 + 0.07 * place
        axes.text(0.985, height, f"{words}  {sign}", transform=axes.transAxes, ha="right", color=colour, fontsize=SMALL,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0})  # fmt: skip
