"""Augmentation of training images against torchvision's PIL transforms in a DataLoader, and against kornia.

    python -m benchmarks.speed.input_pipeline [--batch-size 128 --workers 2 --cores 2 --device cuda]

Each side makes normalised float batches of uint8 images by the same work: mirror, shift, rotation, scale, shear,
contrast, brightness, erasing, normalisation; bilinear, a draw of its own for each image. Ours is what training calls
(`zoo.training.loop.augmented`). A round of the loader is one pass over the images by workers that already run. On a GPU
batches end there, and the loader's are pinned and copied. A peer that is not installed is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.provenance import cpu_cores
from benchmarks.speed.records import add_json_option, compare_rates, write_record
from benchmarks.speed.timing import PeerMissing, header, peer, rates
from zoo.cpu import keep_freed_memory
from zoo.inference.images import batch_of
from zoo.recipes import PLAIN, Augment, Recipe
from zoo.training.loop import augmented

FULL = replace(PLAIN, augment=Augment(shear=8.0))
TARGETS = {"cpu": 10.0, "cuda": 100.0}  # times the PIL loader
PACKAGES = ("torch", "torchvision", "pillow", "kornia")


def main(argv: list[str] | None = None) -> None:
    """Runs all sides in turns and prints them, the ratio to each peer last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("images", 8192), ("size", 48), ("batch-size", 128), ("workers", 2), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1)
    parser.add_argument("--cores", type=int, default=cpu_cores(), help="threads of our side and kornia's")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    add_json_option(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.cores)
    keep_freed_memory()
    shape = (options.images, options.channels, options.size, options.size)
    title = f"Augmentation of {options.size}x{options.size} images, {options.channels} channel(s)"
    title += f", batch {options.batch_size}, {options.cores} core(s)"
    print(header(title, PACKAGES, options.device))
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sides = {"ours": ours(images, FULL, options.batch_size, options.device)}
    loader = f"torchvision PIL, {options.workers} workers"
    for name, build in ((loader, pil_loader), ("kornia", kornia)):
        try:
            sides[name] = build(images, FULL, options.batch_size, options.device, options.workers)
        except PeerMissing as missing:
            print(f"{name}: left out, {missing}")
    found = rates(sides, options.seconds, options.rounds)
    for name, rate in found.items():
        print(f"  {name:26s} images: {rate}")
    for name in list(found)[1:]:
        print(f"against {name}: {found['ours'].over(found[name])}")
    rows = compare_rates(found, title, "images/s", {loader: TARGETS[options.device]})
    write_record(options.json, "input_pipeline", "Augmentation", rows, PACKAGES, options.device)


def ours(images: Tensor, recipe: Recipe, batch_size: int, device: str) -> Callable[[], int]:
    """One pass over the images, which lie on the device as uint8."""
    images = images.to(device)
    generator = torch.Generator(device).manual_seed(0)

    def one_pass() -> int:
        order = torch.randperm(len(images), device=device)
        for rows in order.split(batch_size):
            augmented(batch_of(images, rows), images.shape[-1], recipe, generator)
        _wait(device)
        return len(images)

    return one_pass


class PilImages(Dataset[Tensor]):
    """What a usual training script has: an image at a time, decoded and transformed in Python."""

    def __init__(self, images: Tensor, recipe: Recipe) -> None:
        transforms = peer("torchvision.transforms", "torchvision")
        self._image = peer("PIL.Image", "pillow")
        self._arrays = images.permute(0, 2, 3, 1).squeeze(-1).numpy()
        options, channels = recipe.augment, images.shape[1]
        self._transform = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomAffine(
                    options.rotation,
                    translate=(options.shift, options.shift),
                    scale=(1 - options.scale, 1 + options.scale),
                    shear=options.shear,
                    interpolation=transforms.InterpolationMode.BILINEAR,
                ),
                transforms.ColorJitter(brightness=options.brightness, contrast=options.contrast),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * channels, [0.25] * channels),
                transforms.RandomErasing(options.erase, scale=(0.02, 0.25), value="random"),
            ]
        )

    def __len__(self) -> int:
        return len(self._arrays)

    def __getitem__(self, index: int) -> Tensor:
        found: Tensor = self._transform(self._image.fromarray(self._arrays[index]))
        return found


def pil_loader(images: Tensor, recipe: Recipe, batch_size: int, device: str, workers: int) -> Callable[[], int]:
    """One pass of a shuffling DataLoader."""
    loader = DataLoader(
        PilImages(images, recipe),
        batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device == "cuda",
    )

    def one_pass() -> int:
        for batch in loader:
            batch.to(device, non_blocking=True)
        _wait(device)
        return len(images)

    return one_pass


def kornia(images: Tensor, recipe: Recipe, batch_size: int, device: str, workers: int) -> Callable[[], int]:
    """One pass of kornia's batched transforms over images that lie on the device as uint8; it needs no workers."""
    augmentation: Any = peer("kornia.augmentation", "kornia")
    options = recipe.augment
    images = images.to(device)
    chain = augmentation.AugmentationSequential(
        augmentation.RandomHorizontalFlip(p=0.5),
        augmentation.RandomAffine(
            options.rotation,
            translate=(options.shift, options.shift),
            scale=(1 - options.scale, 1 + options.scale),
            shear=options.shear,
            padding_mode="reflection",
            p=1.0,
        ),
        augmentation.RandomBrightness((1 - options.brightness, 1 + options.brightness), p=1.0),
        augmentation.RandomContrast((1 - options.contrast, 1 + options.contrast), p=1.0),
        augmentation.RandomErasing(scale=(0.02, 0.25), p=options.erase),
        augmentation.Normalize(mean=0.5, std=0.25),
        data_keys=["input"],
    )

    def one_pass() -> int:
        order = torch.randperm(len(images), device=device)
        for rows in order.split(batch_size):
            chain(batch_of(images, rows).float().div_(255))
        _wait(device)
        return len(images)

    return one_pass


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
