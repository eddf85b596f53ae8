"""The training loop: resumable to the step, stops when asked, and knows nothing of suites.

Every random draw is seeded by (seed, epoch, step), so a run that was killed and resumed follows the same path as an
unbroken one, and a checkpoint needs no generator states.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from zoo.augment import augment, normalise
from zoo.inference import class_scores, supports_bf16, to_device
from zoo.optimizers import build_optimizer
from zoo.registry import Member
from zoo.schedule import learning_rate_factor, size_at

CHECK_EVERY = 20  # steps between two looks at the loss: reading it makes a GPU wait


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number; the message says where and what to change."""


class Stopped(RuntimeError):
    """The caller asked to stop; the state is saved and `train` called again goes on from it."""


class LabelledImages(Protocol):
    """One split as the loop needs it: images uint8 [N,C,H,W], targets int64 [N]."""

    @property
    def images(self) -> np.ndarray: ...

    @property
    def targets(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Moment:
    """Where a training is; handed to the progress display."""

    epoch: int  # complete ones
    epochs: int
    step: int  # of all epochs together
    steps: int
    images_per_second: float
    seconds_left: float
    val_accuracy: float | None  # of the last complete epoch


@dataclass
class Trained:
    """Weights of the best epoch by val accuracy (ties: lower val loss), and how they came to be."""

    weights: dict[str, Tensor]
    best_epoch: int
    history: list[dict[str, float]]
    seconds: float
    images_per_second: float


@dataclass
class State:
    """All that changes while training; what a checkpoint holds."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    images: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best_key: tuple[float, float] = (-1.0, 0.0)
    best_weights: dict[str, Tensor] = field(default_factory=dict)


def train(
    member: Member,
    train_split: LabelledImages,
    val_split: LabelledImages,
    *,
    num_classes: int,
    seed: int,
    device: str,
    checkpoint: Path,
    stop: Callable[[], str | None] = lambda: None,
    report: Callable[[Moment], None] = lambda moment: None,
) -> Trained:
    """Trains a member, going on from `checkpoint` where there is one.

    `stop` is asked before each step; when it answers with a reason the state is saved and Stopped raised.
    Raises TrainingDiverged where the loss is not finite.
    """
    run = _Run(member, train_split, val_split, num_classes, seed, device, checkpoint)
    if not run.resume():  # a network that was loaded in part is of no use
        run = _Run(member, train_split, val_split, num_classes, seed, device, checkpoint)
    while run.state.epoch < member.recipe.epochs:
        run.epoch(stop, report)
        run.save()
    state = run.state
    speed = state.images / state.seconds
    return Trained(state.best_weights, state.best_epoch, state.history, state.seconds, speed)


class _Run:
    def __init__(
        self,
        member: Member,
        train: LabelledImages,
        val: LabelledImages,
        num_classes: int,
        seed: int,
        device: str,
        checkpoint: Path,
    ) -> None:
        self.member, self.recipe = member, member.recipe
        self.seed, self.device, self.checkpoint = seed, device, checkpoint
        torch.manual_seed(seed)
        network = member.build(num_classes, train.images.shape[1])
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.ema = ModelEmaV3(self.network, decay=self.recipe.ema_decay, use_warmup=True, warmup_power=0.8)
        self.optimizer = build_optimizer(self.recipe, self.network)
        self.images, self.targets = to_device(train.images, device), torch.from_numpy(train.targets).to(device)
        self.val_images, self.val_targets = to_device(val.images, device), torch.from_numpy(val.targets).to(device)
        self.steps = len(train.targets) // self.recipe.batch_size
        self.bf16 = device == "cuda" or (self.recipe.bf16_on_cpu and supports_bf16())
        self.state = State()
        if not self.steps:
            raise ValueError(
                f"{len(train.targets)} training images are less than one batch of {self.recipe.batch_size}"
            )

    def epoch(self, stop: Callable[[], str | None], report: Callable[[Moment], None]) -> None:
        """Trains from the state's step to the end of its epoch, evaluates, and moves the state to the next."""
        state, size = self.state, size_at(self.recipe, self.member.image_size, self.state.epoch)
        order = torch.randperm(len(self.targets), generator=self._generator("cpu", -1)).to(self.device)
        loss_sum = torch.tensor(state.loss_sum, device=self.device, dtype=torch.float64)
        correct = torch.tensor(state.correct, device=self.device)
        began, images_before = time.perf_counter(), state.images
        self.network.train()
        while state.step < self.steps:
            reason = stop()
            if reason:
                state.loss_sum, state.correct = loss_sum.item(), int(correct)
                state.seconds += time.perf_counter() - began
                self.save()
                raise Stopped(reason)
            loss, right = self._step(order, size)
            loss_sum += loss
            correct += right
            state.step += 1
            state.images += self.recipe.batch_size
            if state.step % CHECK_EVERY == 0 or state.step == self.steps:
                self._check(loss_sum)
                report(self._moment((state.images - images_before) / (time.perf_counter() - began)))
        seconds, images = time.perf_counter() - began, state.images - images_before
        self._finish(size, loss_sum.item(), int(correct), seconds, images)
        report(self._moment(images / seconds))

    def _step(self, order: Tensor, size: int) -> tuple[Tensor, Tensor]:
        recipe, state = self.recipe, self.state
        rows = order[state.step * recipe.batch_size : (state.step + 1) * recipe.batch_size]
        targets = self.targets[rows]
        generator = self._generator(self.device, state.step)
        torch.manual_seed(generator.initial_seed())  # dropout and drop-path draw from the global generator
        batch = normalise(augment(self.images[rows], size, recipe.augment, generator), recipe.normalise)
        progress = (state.epoch * self.steps + state.step) / (recipe.epochs * self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate_factor(recipe, progress)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            logits = self.network(batch.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=recipe.loss.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_grad_norm_(self.network.parameters(), recipe.clip_norm)
        self.optimizer.step()
        self.ema.update(self.network, step=state.epoch * self.steps + state.step)
        return loss.detach(), (logits.argmax(1) == targets).sum()

    def _finish(self, size: int, loss_sum: float, correct: int, seconds: float, images: int) -> None:
        state = self.state
        began = time.perf_counter()
        val_accuracy, val_loss = self._evaluate()
        state.seconds += seconds + time.perf_counter() - began
        state.epoch += 1
        state.history.append(
            {
                "epoch": state.epoch,
                "image_size": size,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "train_loss": loss_sum / self.steps,
                "train_accuracy": correct / (self.steps * self.recipe.batch_size),
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
                "images_per_second": images / seconds,
                "seconds": state.seconds,
            }
        )
        if (val_accuracy, -val_loss) > state.best_key:
            state.best_key, state.best_epoch = (val_accuracy, -val_loss), state.epoch
            weights = self.ema.module.state_dict()
            state.best_weights = {name: value.detach().cpu().clone() for name, value in weights.items()}
        state.step, state.loss_sum, state.correct = 0, 0.0, 0

    def _evaluate(self) -> tuple[float, float]:
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            logits = class_scores(self.ema.module, self.val_images, self.member, tta="none")
        loss = F.cross_entropy(logits, self.val_targets).item()
        return (logits.argmax(1) == self.val_targets).double().mean().item(), loss

    def _check(self, loss_sum: Tensor) -> None:
        if not torch.isfinite(loss_sum):
            where = f"epoch {self.state.epoch + 1}, step {self.state.step} of {self.steps}"
            advice = f"learning_rate ({self.recipe.learning_rate}) or clip_norm ({self.recipe.clip_norm})"
            raise TrainingDiverged(f"the loss is {loss_sum.item()} in {where}: lower the recipe's {advice}")

    def _moment(self, speed: float) -> Moment:
        state, epochs = self.state, self.recipe.epochs
        done = state.epoch * self.steps + state.step
        accuracy = state.history[-1]["val_accuracy"] if state.history else None
        seconds_left = (epochs * self.steps - done) * self.recipe.batch_size / speed
        return Moment(state.epoch, epochs, done, epochs * self.steps, speed, seconds_left, accuracy)

    def _generator(self, device: str, step: int) -> torch.Generator:
        mixed = np.random.SeedSequence([self.seed, self.state.epoch, step + 1]).generate_state(1, np.uint64)[0]
        return torch.Generator(device).manual_seed(int(mixed >> 1))

    def save(self) -> None:
        """Writes the checkpoint beside itself and renames it, so a kill leaves the old one or the new one."""
        parts = {
            "state": vars(self.state),
            "network": self.network.state_dict(),
            "ema": self.ema.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        partial = self.checkpoint.with_suffix(f".{os.getpid()}.partial")
        torch.save(parts, partial)
        os.replace(partial, self.checkpoint)

    def resume(self) -> bool:
        """Takes up the checkpoint where there is one; False where it cannot be used: it is then set aside."""
        if not self.checkpoint.exists():
            return True
        try:
            parts: dict[str, Any] = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            self.network.load_state_dict(parts["network"])
            self.ema.module.load_state_dict(parts["ema"])
            self.optimizer.load_state_dict(parts["optimizer"])
            self.state = State(**parts["state"])
        except Exception:  # a cut-off zip, a foreign file, another network: torch raises many kinds
            os.replace(self.checkpoint, self.checkpoint.with_suffix(".unreadable"))
            return False
        return True
