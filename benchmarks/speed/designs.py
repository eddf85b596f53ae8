"""What reaches most for its arithmetic: `python -m benchmarks.speed.designs [--only NAME...] [--data DIR]`.

Each design is `vgg_fer` with one thing changed, trained as track T63 trains it (five epochs by Muon), with the same
seed, and scored on PublicTest alone with flip TTA; multiply-adds are those of one image. One seed: about half a point
either way is chance. With `--json`, a design that the file has already is not trained again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from benchmarks import suites
from benchmarks.data import DataOptions
from benchmarks.speed import tracks
from benchmarks.speed.records import Comparison, Record, add_json_option, write_record
from benchmarks.speed.timing import header
from zoo import registry
from zoo.networks.layers import SqueezeExcite, conv_bn
from zoo.networks.vgg_fer import STAGES, vgg
from zoo.overrides import override
from zoo.registry import Member, UnknownName

TRACK = tracks.TRACKS["T63"]
TITLE = "Designs of a small network, trained as track T63 trains"


class Residual(nn.Module):
    """A convolution of stages of equal width, plus its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(*conv_bn(width, width), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def blocks(num_classes: int, in_chans: int, image_size: int, gated: bool = False) -> nn.Module:
    """vgg_fer with shortcuts around convolutions that keep their width; `gated`: a channel gate ends each stage."""
    layers: list[nn.Module] = [*conv_bn(in_chans, STAGES[0][0], kernel=5, stride=2), nn.ReLU(inplace=True)]
    channels = STAGES[0][0]
    for stage, widths in enumerate(STAGES):
        layers += [nn.MaxPool2d(2)] if stage else []
        for width in widths:
            layers += [Residual(width)] if width == channels else [*conv_bn(channels, width), nn.ReLU(inplace=True)]
            channels = width
        layers += [SqueezeExcite(channels)] if gated else []
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels, num_classes)]
    return nn.Sequential(*layers, *head)


def stages(
    num_classes: int, in_chans: int, image_size: int, widths: Sequence[Sequence[int]], dropout: float = 0.3
) -> nn.Module:
    """vgg_fer with other widths."""
    return vgg(widths, num_classes, in_chans, dropout)


residual: Callable[..., nn.Module] = blocks
residual_gated = partial(blocks, gated=True)
four_stages = partial(stages, widths=((64,) * 2, (128,) * 3, (224,) * 3, (384,) * 2))
late = partial(stages, widths=((48,) * 2, (112,) * 3, (288,) * 3))
early = partial(stages, widths=((64,) * 3, (128,) * 3, (224,) * 2))
deep = partial(stages, widths=((48,) * 3, (96,) * 4, (192,) * 5))


@dataclass(frozen=True)
class Design:
    """What is changed: the builder, by its name here, or settings."""

    name: str
    summary: str
    builder: str = ""
    settings: tuple[str, ...] = ()

    def of(self, member: Member) -> Member:
        """The member as the design has it, with its multiply-adds."""
        built = replace(member, builder=f"{__name__}:{self.builder}") if self.builder else member
        return registry.counted(override(built, self.settings))


DESIGNS = {
    design.name: design
    for design in (
        Design("vgg_fer", "as it is"),
        Design("sgd", "SGD at 0.1", "", ("recipe.optimizer=sgd", "recipe.lr=0.1", "recipe.wd=5e-4")),
        Design("slower", "half the learning rate", "", ("recipe.lr=0.01",)),
        Design("decay", "four times the weight decay", "", ("recipe.wd=0.2",)),
        Design("batch64", "batches of 64, the rate by their root", "", ("recipe.batch_size=64", "recipe.lr=0.014")),
        Design("hard_labels", "no label smoothing", "", ("recipe.loss.label_smoothing=0",)),
        Design("half_size", "starts at half the image side", "", ("recipe.start_size=0.5",)),
        Design("residual", "shortcuts", "residual"),
        Design("residual_gated", "shortcuts and squeeze-and-excitation", "residual_gated"),
        Design("four_stages", "a fourth stage on maps of 3", "four_stages"),
        Design("late", "width moved to the last stage", "late"),
        Design("early", "depth moved to the first stage", "early"),
        Design("deep", "half as deep again, narrower", "deep"),
    )
}


def main(argv: list[str] | None = None) -> int:
    """Returns 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", nargs="+", default=list(DESIGNS))
    parser.add_argument("--data", metavar="DIR", type=Path)
    add_json_option(parser)
    options = parser.parse_args(argv)
    try:
        for name in options.only:
            if name not in DESIGNS:
                raise UnknownName("design", name, DESIGNS)
        print(header(TITLE, tracks.PACKAGES))
        rows = Record.read(options.json).comparisons if options.json and options.json.exists() else []
        compare([DESIGNS[name] for name in options.only], rows, options)
    except (ValueError, OSError) as error:
        print(f"designs: {error}", file=sys.stderr)
        return 2
    return 0


def compare(designs: Sequence[Design], rows: list[Comparison], options: argparse.Namespace) -> None:
    """Trains what has no row yet; `rows` grow, and are left after each."""
    base = override(registry.get(TRACK.member), TRACK.settings)
    dataset = suites.get("fer2013").read(DataOptions(options.data))
    known = {row.what.partition(":")[0] for row in rows}
    for design in designs:
        if design.name in known:
            continue
        member = design.of(base)
        found = tracks.run(TRACK, member, dataset, 0, "cpu")
        rows.append(Comparison(f"{design.name}: {design.summary}; {described(member)}", "%", round(found.val, 2)))
        print(f"  {rows[-1].what}: PublicTest {found.val:.2f} %, {found.seconds:.0f} s", flush=True)
        write_record(options.json, "designs", TITLE, rows, tracks.PACKAGES)


def described(member: Member) -> str:
    """Multiply-adds and parameters."""
    return f"{(member.macs or 0) / 1e6:.0f} M multiply-adds, {(member.params or 0) / 1e6:.2f} M parameters"


if __name__ == "__main__":
    sys.exit(main())
