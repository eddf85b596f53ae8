"""What predictions are of: a member of the zoo with its seed, or a model trained elsewhere, each on certain data.

An identity names its file in the store by a hash of all that decided the numbers, and describes itself to the tables.
Nothing outside this file asks which of the two kinds it has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from benchmarks.results import EXTERNAL
from zoo.effective import effective
from zoo.recipes import Recipe
from zoo.registry import Member

FROM = "-from-"  # between a member's name and the suite it was trained on, where that is another


class Identity(Protocol):
    """The least that the store, the scorer and the tables have to know of a model."""

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int | None:
        """None for a model whose training is not ours."""

    @property
    def data(self) -> str:
        """Fingerprint of the data set."""

    @property
    def num_classes(self) -> int: ...

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits of all that decided the numbers."""

    @property
    def stem(self) -> str:
        """The file's name in the store, without its suffix."""

    def facts(self) -> dict[str, Any]:
        """Collect everything that identifies the predictions, as JSON values."""

    def holds(self, val: np.ndarray, test: np.ndarray) -> bool:
        """Say whether logits of both splits, as the store rounds them, can be its own."""

    def described(self) -> dict[str, Any]:
        """Describe it for the results: kind, name, seed, init, epochs, image size and how its recipe differs from the
        defaults; None where not known."""


@dataclass(frozen=True)
class Configuration:
    """A member with its seed on certain data: what `hash` identifies.

    `member` is the effective one: settings that change nothing on images of so many `channels` (None: not known) have
    their defaults, so that no two configurations have the same numbers.
    """

    member: Member
    seed: int
    data: str  # fingerprint
    num_classes: int
    channels: int | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "member", effective(self.member, self.channels))

    @property
    def name(self) -> str:
        return self.member.name

    def facts(self) -> dict[str, Any]:
        """Collect everything that is hashed, as JSON values."""
        identity = {**self.member.identity(), "seed": self.seed, "data": self.data, "num_classes": self.num_classes}
        return json.loads(json.dumps(identity))

    @cached_property
    def hash(self) -> str:
        """Hash of the facts; of the recipe only what differs from the defaults, so new options change no hash."""
        return _hash({**self.facts(), "recipe": self.member.recipe.changes()})

    @property
    def stem(self) -> str:
        return f"{self.name}.s{self.seed}.{self.hash}"

    def holds(self, val: np.ndarray, test: np.ndarray) -> bool:
        return True  # the same configuration gives other last digits on another machine

    def described(self) -> dict[str, Any]:
        return {
            "kind": "member",
            "name": self.name,
            "seed": self.seed,
            "init": self.member.init,
            "epochs": self.member.recipe.epochs,
            "image_size": self.member.image_size,
            "recipe": self.member.recipe.changes(),
        }


@dataclass(frozen=True)
class Transferred(Configuration):
    """A member trained on another suite's data, its classes mapped to those of `data`."""

    suite: str
    trained_on: str  # fingerprint

    @property
    def name(self) -> str:
        return f"{self.member.name}{FROM}{self.suite}"

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "trained_on": {"suite": self.suite, "data": self.trained_on}}


@dataclass(frozen=True)
class External:
    """A model of which nothing is known but its predictions: they are what `hash` identifies."""

    name: str
    data: str  # fingerprint
    num_classes: int
    logits: str  # digest of the stored logits
    seed: ClassVar[None] = None

    @classmethod
    def of(cls, name: str, data: str, val: np.ndarray, test: np.ndarray) -> External:
        """Identify logits [N, classes] of both splits, rounded as the store rounds them."""
        state = hashlib.sha256()
        for logits in (val, test):
            state.update(np.ascontiguousarray(logits, dtype="<f2").tobytes())
        return cls(name, data, val.shape[1], state.hexdigest()[:32])

    def facts(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "init": EXTERNAL,
            "data": self.data,
            "num_classes": self.num_classes,
            "logits": self.logits,
        }

    @cached_property
    def hash(self) -> str:
        return _hash(self.facts())

    @property
    def stem(self) -> str:
        return f"{self.name}.{EXTERNAL}.{self.hash}"

    def holds(self, val: np.ndarray, test: np.ndarray) -> bool:
        return self == External.of(self.name, self.data, val, test)

    def described(self) -> dict[str, Any]:
        unknown = dict.fromkeys(("seed", "epochs", "image_size", "recipe"))
        return {"kind": EXTERNAL, "name": self.name, "init": EXTERNAL, **unknown}


def identity_from(facts: Mapping[str, Any]) -> Identity:
    """Return the identity that has these facts; raise KeyError or TypeError where they are those of none."""
    data, num_classes = facts["data"], facts["num_classes"]
    if facts["init"] == EXTERNAL:
        return External(facts["name"], data, num_classes, facts["logits"])
    recipe = Recipe.from_dict(facts["recipe"])
    keys = ("name", "image_size", "init", "params", "weights", "code", "features_of")
    described = {key: facts[key] for key in keys if key in facts}
    member = Member(**described, builder="", recipe=recipe, reference="", summary="")
    if "trained_on" in facts:
        origin = facts["trained_on"]
        return Transferred(member, facts["seed"], data, num_classes, origin["suite"], origin["data"])
    return Configuration(member, facts["seed"], data, num_classes)


def _hash(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
