"""The training loop: it can be stopped and resumed at any step, and knows nothing of suites.

Every random draw is seeded by (seed, epoch, step). So a run that was killed and resumed follows the same path as one
that was not, and a checkpoint needs no states of random generators.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from zoo.cpu import denormals_flushed, keep_freed_memory, supports_bf16
from zoo.gpu import convolutions_tried
from zoo.inference.images import batch_of, prepared
from zoo.inference.pixels import normalise
from zoo.inference.predict import scores
from zoo.inference.tta import network_inputs
from zoo.outputs import Outputs, logits_of
from zoo.pretrained.folded_norms import IMAGES, calibrate, folded_norms
from zoo.pretrained.initialise import initialise
from zoo.recipes import Recipe
from zoo.state_dicts import join
from zoo.training import checkpoint as checkpoints
from zoo.training.async_scalar import AsyncScalar
from zoo.training.augment import augment
from zoo.training.averaging import build_average, reestimate_norm
from zoo.training.checkpoint import State
from zoo.training.compiling import compiled_passes
from zoo.training.finetune import set_phase
from zoo.training.job import Progress, TrainContext, TrainJob
from zoo.training.losses import affect_loss, build_loss, rated_concordance
from zoo.training.matched import Teachers
from zoo.training.mixup import mix_rated
from zoo.training.optimizers import build_optimizer
from zoo.training.products import use_products
from zoo.training.regularise import add_l1_gradient, drop_features
from zoo.training.sam import SharpnessAware, statistics_kept
from zoo.training.sampling import epoch_order
from zoo.training.saving import Saver
from zoo.training.schedule import learning_rate_factor, size_at, snapshot_epochs, stop_early
from zoo.training.segments import Segment, extended
from zoo.training.soft_labels import sample_class, training_targets

CHECK_EVERY = 20  # steps between two looks at the loss
NORM_BATCHES = 50  # of training images, from which batch norm learns the statistics of averaged weights


class TrainingDiverged(RuntimeError):
    """The loss is not finite; the message says where, and which settings to change."""


class Stopped(RuntimeError):
    """The caller asked to stop; the state is saved, and the next call of `train` goes on from it."""


@dataclass
class Trained:
    """Weights of the best epoch by val accuracy (ties: lower val loss), and how they came to be.

    The weights of several networks (snapshots, folds) are in one dictionary, with names prefixed by `part.0.`,
    `part.1.`, ... `out_of_fold` are logits float32 [N,K] on the training images, by networks that did not see them.
    """

    weights: dict[str, Tensor]
    best_epoch: int
    history: list[dict[str, float]]
    seconds: float
    images_per_second: float
    out_of_fold: np.ndarray | None = None
    segments: list[Segment] = field(default_factory=list)
    fold_accuracies: list[float] = field(default_factory=list)  # of a training in folds, on what each was not shown


@convolutions_tried()
@denormals_flushed()
def train(job: TrainJob, context: TrainContext) -> Trained:
    """Train one network of the job's member; go on from its checkpoint where there is one.

    Where the context says `compiled`, the network's passes are those of `torch.compile`, which give the same numbers
    but for rounding (zoo/training/compiling.py decides where that pays). Raises Stopped when asked to stop, after
    saving the state; TrainingDiverged where the loss is not finite; ValueError where the recipe needs what the data has
    not, and where the state is of another number of processes than train it now.
    """
    keep_freed_memory()
    checkpoint, state = context.checkpoint(job), None
    with context.world.in_turn():  # one that cannot be used is set aside by the first
        if checkpoint.exists():
            run = _Run(job, context, fresh=False)
            state = checkpoints.load(checkpoint, run.parts, context.device)
    if state is None:  # also where the checkpoint was unreadable, and may have been loaded in part
        run, state = _Run(job, context, fresh=True), State(world=context.world.size)
    if state.world != context.world.size:
        raise ValueError(
            f"its training was begun with --cards {state.world}, and goes on with that number alone: another "
            f"takes sums in another order; or remove {checkpoint}, and it is trained anew"
        )
    run.state = state
    _until_the_end(run, Saver(checkpoint, context.checkpoint_every, context.saved))
    weights = join(state.snapshots) if state.snapshots else state.best_weights
    speed = state.images / state.seconds
    return Trained(weights, state.best_epoch, state.history, state.seconds, speed, segments=state.segments)


def _until_the_end(run: _Run, saver: Saver) -> None:
    """Train to the last epoch; the state is saved where that is due, and at the end: of several networks of a member
    those that are done are not trained again. Raises Stopped, the state saved, and OSError where that could not be."""
    state, begun, told = run.state, run.done, False
    while not is_finished(run.recipe, state):
        try:
            run.epoch()
        except Stopped:
            run.record_place(begun)
            told = _note_unsaved(saver.wait, run, told)
            if run.saves:
                checkpoints.save(saver.path, state, run.parts)
                run.context.saved(saver.path)
            raise
        run.record_place(begun)
        if run.saves and (saver.is_due or is_finished(run.recipe, state)):
            told = _note_unsaved(partial(saver.save, state, run.parts), run, told)
    _note_unsaved(saver.wait, run, told)


def is_finished(recipe: Recipe, state: State) -> bool:
    """Say whether a training is at its end: all epochs are done, or it was stopped early as the recipe says."""
    return state.epoch >= recipe.epochs or stop_early(recipe, state.accuracies)


def _note_unsaved(save: Callable[[], None], run: _Run, told: bool) -> bool:
    """Save the state; where that cannot be, note it once and return True: the disk may be free again at the end."""
    try:
        save()
    except OSError as error:
        if not told:
            run.context.note(
                f"the state of the training cannot be saved ({error}); it goes on, and a stop would lose it"
            )
        return True
    return told


def together(
    done: Sequence[Trained], weights: dict[str, Tensor], part: str, out_of_fold: np.ndarray | None = None
) -> Trained:
    """Return several trainings as one with these weights: times added up, histories joined and numbered as `part`."""
    seconds = sum(trained.seconds for trained in done)
    images = sum(trained.seconds * trained.images_per_second for trained in done)
    history = [{part: number, **row} for number, trained in enumerate(done) for row in trained.history]
    segments = [{part: number, **segment} for number, trained in enumerate(done) for segment in trained.segments]
    best_epoch = round(sum(trained.best_epoch for trained in done) / len(done))
    return Trained(weights, best_epoch, history, seconds, images / seconds, out_of_fold, segments)


def augmented(images: Tensor, size: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Turn uint8 images [B,C,H,W] into training input: float [B,C,size,size], augmented and normalised."""
    floats = augment(images, size, recipe.augment, generator, recipe.crop_ratio)
    return _normalised(floats, recipe)


def _normalised(floats: Tensor, recipe: Recipe) -> Tensor:
    return normalise(floats, recipe.normalise).contiguous(memory_format=torch.channels_last)


class _Run:
    """One network in training, with its data, optimizer and average; `epoch` moves it forward."""

    def __init__(self, job: TrainJob, context: TrainContext, fresh: bool) -> None:
        self.member, self.recipe, self.context = job.member, job.member.recipe, context
        self.world, self.saves = context.world, context.world.rank == 0
        self.seed, self.device = job.seed, (device := context.device)
        train, val, num_classes = job.data.train, job.data.val, job.num_classes
        torch.manual_seed(job.seed)
        network = self.member.build(num_classes, train.images.shape[1])
        if fresh:
            initialise(network, self.member, num_classes, train.images.shape[1], job.start)
        if self.recipe.dropout:
            drop_features(network, self.recipe.dropout)
        self.network = network.to(device).to(memory_format=torch.channels_last)
        if device == "cpu" and not context.compiled:
            use_products(self.network)
        self.forward: Callable[[Tensor], Any] = compiled_passes(self.network) if context.compiled else self.network
        self.optimizer = build_optimizer(self.recipe, self.network)
        self.snapshot_epochs = snapshot_epochs(self.recipe) if self.recipe.average == "snapshots" else ()
        learned = training_targets(train, num_classes, self.recipe, job.peers, job.seed)
        self.images, self.val_images = (
            prepared(images, device, self.recipe.preprocess) for images in (learned.images, val.images)
        )
        self.targets = torch.from_numpy(learned.targets).to(device)
        self.classes = torch.from_numpy(learned.targets).argmax(1)  # on the host, where the order of an epoch is drawn
        if fresh and folded_norms(self.network):
            calibrate(self.network, self._plain_inputs())
        self.affect = None if learned.affect is None else torch.from_numpy(learned.affect).to(device)
        self.val_targets = torch.from_numpy(val.targets).to(device)
        self.val_affect = None if val.affect is None else torch.from_numpy(val.affect).float().to(device)
        channels = train.images.shape[1]
        matched = self.recipe.labels.teacher and self.recipe.labels.matched
        self.teachers = Teachers(job.peers.networks, self.recipe, num_classes, channels, device) if matched else None
        self.criterion = build_loss(self.recipe.loss, torch.bincount(self.classes, minlength=num_classes).to(device))
        self.bf16 = device == "cuda" or (self.recipe.bf16_on_cpu and supports_bf16())
        self.state = State()
        seen = min(len(self.classes), self.recipe.epoch_images or len(self.classes))
        self.steps = seen // self.recipe.batch_size
        if not self.steps:
            raise ValueError(
                f"{seen} training images are less than one batch of {self.recipe.batch_size}: lower recipe.batch_size"
            )
        self.average = build_average(self.recipe, self.network, self.steps)

    def _plain_inputs(self) -> Iterator[Tensor]:
        """Yield batches of training images, evenly from all, as evaluation sees them: no random number is drawn."""
        rows = torch.linspace(0, len(self.images) - 1, min(IMAGES, len(self.images)), device=self.device).long()
        for some in rows.split(self.recipe.batch_size):
            yield from network_inputs(batch_of(self.images, some), self.member.image_size, self.recipe, "none")

    @property
    def parts(self) -> dict[str, checkpoints.Stateful]:
        """What a checkpoint holds besides the state, by name."""
        return {"network": self.network, "average": self.average, "optimizer": self.optimizer}

    @property
    def done(self) -> int:
        """Count the steps of all epochs that are done."""
        return self.state.epoch * self.steps + self.state.step

    def record_place(self, begun: int) -> None:
        """Record that the steps from `begun` on were taken here."""
        if self.context.place:
            self.state.segments = extended(self.state.segments, self.context.place, begun, self.done)

    def epoch(self) -> None:
        """Trains from the state's step to the end of its epoch, evaluates, and moves the state to the next."""
        state, size = self.state, size_at(self.recipe, self.member.image_size, self.state.epoch)
        order = self._order()
        loss_sum = torch.tensor(state.loss_sum, device=self.device, dtype=torch.float64)
        correct = torch.tensor(state.correct, device=self.device, dtype=torch.float64)
        began, images_before, lagging = time.perf_counter(), state.images, AsyncScalar(self.device)
        set_phase(self.network, self.recipe.transfer, state.epoch)
        while state.step < self.steps:
            reason = self.world.agreed(self.context.stop())
            if reason:
                state.loss_sum, state.correct = loss_sum.item(), correct.item()
                state.seconds += time.perf_counter() - began
                raise Stopped(reason)
            loss, right = self._step(order, size)
            loss_sum += loss
            correct += right
            state.step += 1
            state.images += self.recipe.batch_size
            if state.step % CHECK_EVERY == 0 or state.step == self.steps:
                self._check(lagging.look(loss_sum, state.step))
                self.context.progress(self._progress((state.images - images_before) / (time.perf_counter() - began)))
        total, hits = loss_sum.item(), correct.item()  # a GPU has then done all steps
        self._check((state.step, total))
        seconds, images = time.perf_counter() - began, state.images - images_before
        self._finish(size, total, hits, seconds, images)
        self.context.progress(self._progress(images / seconds))

    def _step(self, order: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Update the weights once; return the loss, and how many images of the batch were classified right."""
        recipe, state = self.recipe, self.state
        rows = order[state.step * recipe.batch_size : (state.step + 1) * recipe.batch_size]
        generator = self._generator(self.device, state.step)
        _seed_global(self.device, generator.initial_seed() + self.world.rank)
        images = batch_of(self.images, rows)
        affect = None if self.affect is None else self.affect[rows]
        if self.teachers is None:
            inputs = augmented(images, size, recipe, generator)
            targets = self._targets(rows, generator)
            inputs, targets, affect = mix_rated(inputs, targets, affect, recipe, generator)
        else:  # mixed before it is normalised, which each network does in its own way
            views = augment(images, size, recipe.augment, generator, recipe.crop_ratio)
            targets = self._targets(rows, generator)
            views, targets, affect = mix_rated(views, targets, affect, recipe, generator)
            inputs, targets = _normalised(views, recipe), self.teachers.targets(views, targets)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate() * group["scale"]
        loss, right = self._backward(inputs, targets, affect)
        if isinstance(self.optimizer, SharpnessAware):
            self.optimizer.first_step()
            with statistics_kept(self.network):
                self._backward(inputs, targets, affect)
            self.optimizer.second_step()
        else:
            self.optimizer.step()
        self.average.update(self.network, state.epoch * self.steps + state.step)
        return loss, right

    def _targets(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return the targets of these images; where the recipe says so, drawn after the numbers of their views."""
        return sample_class(self.targets[rows], generator) if self.recipe.labels.draw else self.targets[rows]

    def _backward(self, inputs: Tensor, targets: Tensor, affect: Tensor | None) -> tuple[Tensor, Tensor]:
        """Compute clipped gradients of the mean loss; return that loss, and how many were classified right."""
        recipe = self.recipe
        self.optimizer.zero_grad(set_to_none=True)
        mine = self.world.rows(len(inputs), recipe.accumulate)
        part = (mine.stop - mine.start) // recipe.accumulate
        loss, right = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for first in range(mine.start, mine.stop, part):
            some = slice(first, min(first + part, mine.stop))
            with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
                result = self.forward(inputs[some])
            share = self._loss(result, targets[some], None if affect is None else affect[some]) / recipe.accumulate
            share.backward()
            loss += share.detach()
            right += (logits_of(result).detach().argmax(1) == targets[some].argmax(1)).sum()
        self._add_up(loss, right)
        if recipe.l1:
            add_l1_gradient(self.network.parameters(), recipe.l1)
        if recipe.clip_norm:
            clip_grad_norm_(self.network.parameters(), recipe.clip_norm)
        return loss, right

    def _add_up(self, loss: Tensor, right: Tensor) -> None:
        """Give every process the mean gradients, statistics and loss of all, and the number of all that are right."""
        if self.world.size == 1:
            return
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        statistics = [buffer for buffer in self.network.buffers() if buffer.is_floating_point()]
        means = [*gradients, *statistics, loss]
        self.world.add_up([*means, right])
        for mean in means:
            mean.div_(self.world.size)

    def _loss(self, result: Tensor | Outputs, targets: Tensor, affect: Tensor | None) -> Tensor:
        loss, options = self.criterion(logits_of(result).float(), targets), self.recipe.loss
        if not isinstance(result, Outputs):
            return loss
        if result.auxiliary is not None:
            loss = loss + options.auxiliary * self.criterion(result.auxiliary.float(), targets)
        if result.parts:
            own: Callable[[Outputs, Tensor], Tensor] = self.network.regulariser  # type: ignore[assignment]
            loss = loss + options.regulariser * own(result, targets)
        if result.affect is not None and affect is not None:
            loss = loss + affect_loss(result.affect.float(), affect, options)
        return loss

    def _finish(self, size: int, loss_sum: float, correct: float, seconds: float, images: int) -> None:
        """Evaluate the averaged weights and record the epoch in the state."""
        state, learning_rate = self.state, self._learning_rate()
        began = time.perf_counter()
        if self.average.stale_norm:
            reestimate_norm(self.average.module, self._batches(size))
        val_accuracy, val_loss, val_affect = self._evaluate()
        state.seconds += seconds + time.perf_counter() - began
        state.epoch += 1
        state.history.append(
            {
                "epoch": state.epoch,
                "image_size": size,
                "learning_rate": learning_rate,
                "train_loss": loss_sum / self.steps,
                "train_accuracy": correct / (self.steps * self.recipe.batch_size),
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
                **val_affect,
                "images_per_second": images / seconds,
                "seconds": state.seconds,
            }
        )
        if state.epoch - 1 in self.snapshot_epochs:
            state.snapshots.append(_copy(self.average.module))
        if (val_accuracy, -val_loss) > state.best_key:
            state.best_key, state.best_epoch = (val_accuracy, -val_loss), state.epoch
            state.best_weights = _copy(self.average.module)
        state.step, state.loss_sum, state.correct = 0, 0.0, 0.0

    def _evaluate(self) -> tuple[float, float, dict[str, float]]:
        """Return accuracy and loss on val, and the concordance of valence and arousal where the network gives them."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            predicted = scores(self.average.module, self.val_images, self.member, tta="none")
        loss = F.cross_entropy(predicted.logits, self.val_targets).item()
        accuracy = (predicted.logits.argmax(1) == self.val_targets).double().mean().item()
        if predicted.affect is None or self.val_affect is None:
            return accuracy, loss, {}
        valence, arousal = rated_concordance(predicted.affect, self.val_affect)
        return accuracy, loss, {"val_ccc_valence": valence.item(), "val_ccc_arousal": arousal.item()}

    def _batches(self, size: int) -> Iterator[Tensor]:
        """Yield augmented batches as the network sees them, for batch norm statistics."""
        order = self._order()
        for step in range(min(self.steps, NORM_BATCHES)):
            rows = order[step * self.recipe.batch_size : (step + 1) * self.recipe.batch_size]
            generator = self._generator(self.device, step)
            yield augmented(batch_of(self.images, rows), size, self.recipe, generator)

    def _order(self) -> Tensor:
        """Return the rows of this epoch, in order."""
        recipe, generator = self.recipe, self._generator("cpu", -1)
        return epoch_order(self.classes, recipe.sampling, recipe.epoch_images, generator).to(self.device)

    def _learning_rate(self) -> float:
        """Return the learning rate at this step, before a group's own scale."""
        recipe, state = self.recipe, self.state
        progress = (state.epoch * self.steps + state.step) / (recipe.epochs * self.steps)
        return recipe.learning_rate * learning_rate_factor(recipe, progress, state.epoch, state.accuracies)

    def _check(self, seen: tuple[int, float] | None) -> None:
        """Raise TrainingDiverged where the sum of the losses, read at that step of the epoch, is not finite."""
        if seen is None or math.isfinite(seen[1]):
            return
        where = f"epoch {self.state.epoch + 1}, step {seen[0]} of {self.steps}"
        advice = f"learning_rate ({self.recipe.learning_rate}) or clip_norm ({self.recipe.clip_norm})"
        raise TrainingDiverged(f"the loss is {seen[1]} in {where}: lower the recipe's {advice}")

    def _progress(self, speed: float) -> Progress:
        state, epochs = self.state, self.recipe.epochs
        done = self.done
        accuracy = state.accuracies[-1] if state.history else None
        seconds_left = (epochs * self.steps - done) * self.recipe.batch_size / speed
        is_best = state.step == 0 and state.epoch == state.best_epoch
        return Progress(state.epoch, epochs, done, epochs * self.steps, speed, seconds_left, accuracy, is_best)

    def _generator(self, device: str, step: int) -> torch.Generator:
        mixed = np.random.SeedSequence([self.seed, self.state.epoch, step + 1]).generate_state(1, np.uint64)[0]
        return torch.Generator(device).manual_seed(int(mixed >> 1))


def _seed_global(device: str, seed: int) -> None:
    """Seed the generators of dropout and drop-path; `torch.manual_seed` would take 0.1 ms a step for all devices."""
    torch.random.default_generator.manual_seed(seed)
    if device == "cuda":
        torch.cuda.manual_seed(seed)


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in network.state_dict().items()}
