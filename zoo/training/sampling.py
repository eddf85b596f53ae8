"""Choose the images of an epoch and their order, and oversample the training split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from zoo.errors import UnknownName

SAMPLERS = {"random": "RandomOverSampler", "smote": "SMOTE", "adasyn": "ADASYN"}  # classes of imbalanced-learn
NEIGHBOURS = 5  # that new images are made with: its default, and that of both papers


def epoch_order(targets: Tensor, sampling: str, epoch_images: int, generator: torch.Generator) -> Tensor:
    """Return the indices int64 of the images of one epoch, in order, on the generator's device.

    `targets` int64 [N] are classes. `shuffle` draws without replacement; `balanced` with replacement, every class
    equally often but for one image. `epoch_images` limits their number (0: N). Raises UnknownName for another kind of
    sampling.
    """
    if sampling not in ORDERS:
        raise UnknownName("sampling", sampling, ORDERS)
    count = min(epoch_images, len(targets)) if epoch_images else len(targets)
    return ORDERS[sampling](targets.to(generator.device), count, generator)


def _shuffled(targets: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(len(targets), generator=generator, device=generator.device)[:count]


def _balanced(targets: Tensor, count: int, generator: torch.Generator) -> Tensor:
    by_class, sizes = targets.argsort(stable=True), targets.bincount()
    starts, present = sizes.cumsum(0) - sizes, sizes.nonzero().flatten()
    present = present[torch.randperm(len(present), generator=generator, device=generator.device)]
    classes = present.repeat(-(-count // len(present)))[:count]
    within = torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64) * sizes[classes]
    chosen = by_class[starts[classes] + within.long()]
    return chosen[torch.randperm(count, generator=generator, device=generator.device)]


ORDERS: dict[str, Callable[[Tensor, int, torch.Generator], Tensor]] = {"shuffle": _shuffled, "balanced": _balanced}


def oversample(images: np.ndarray, targets: np.ndarray, how: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Add images to uint8 [N,C,H,W] and classes to int64 [N] until every class has as many as the largest.

    The given rows come first. `random` repeats images. `smote` (arXiv:1106.1813) and `adasyn`
    (doi:10.1109/IJCNN.2008.4633969, which reaches the number only roughly) make new images between an image and a near
    neighbour of its class, by distances in pixels. Only one class at a time is held as floats, with `adasyn` the whole
    split as well.

    Raises UnknownName for another way, and ValueError where imbalanced-learn is not installed or a class has too few
    images, or too few near other classes, to make new ones.
    """
    if how == "none":
        return images, targets
    if how not in SAMPLERS:
        raise UnknownName("oversampling", how, ["none", *SAMPLERS])
    try:
        from imblearn import over_sampling
    except ImportError as error:
        raise ValueError('Oversampling needs imbalanced-learn: pip install -e ".[oversample]"') from error
    sampler = getattr(over_sampling, SAMPLERS[how])
    if how == "random":
        rows = sampler(random_state=seed).fit_resample(np.arange(len(targets))[:, None], targets)[0][:, 0]
        return images[rows], targets[rows]
    sizes = np.bincount(targets).tolist()
    short = [label for label, size in enumerate(sizes) if 0 < size < max(sizes)]
    made = [_synthetic(sampler, images, targets, label, max(sizes), seed) for label in short]
    labels = [np.full(len(new), label, targets.dtype) for new, label in zip(made, short, strict=True)]
    return np.concatenate([images, *made]), np.concatenate([targets, *labels])


def _synthetic(
    sampler: type, images: np.ndarray, targets: np.ndarray, label: int, wanted: int, seed: int
) -> np.ndarray:
    """Return new uint8 images [M,C,H,W] of one class, with which it has about `wanted`."""
    name, own = sampler.__name__, np.flatnonzero(targets == label)
    if len(own) <= NEIGHBOURS:
        raise ValueError(
            f"{name} needs more than {NEIGHBOURS} images a class; class {label} has {len(own)}: use random"
        )
    others = np.flatnonzero(targets != label)
    rows = np.concatenate([own, others if name == "ADASYN" else others[:1]])  # SMOTE looks at the class alone
    pixels = images[rows].reshape(len(rows), -1).astype(np.float32)  # in uint8 differences would wrap around
    options = {"random_state": seed, "sampling_strategy": {True: wanted}}
    try:
        mixed, _ = sampler(**options).fit_resample(pixels, targets[rows] == label)
    except (RuntimeError, ValueError) as error:  # either, where too few neighbours are of another class
        advice = "too few of its images lie near other classes; use smote or random"
        raise ValueError(f"{name} makes no images of class {label}: {advice}") from error
    new = mixed[len(rows) :]
    return np.rint(new, out=new).astype(np.uint8).reshape(-1, *images.shape[1:])
