"""A model file, or bundle: one ONNX file that says everything of itself, and what it says.

The graph takes `crops`, uint8 [N, height, width, 3], RGB faces of any size (grey ones are three equal channels), and
returns `probabilities`, float32 [N, classes], calibrated. Resizing, normalisation, views and members are inside. The
facts stand in the file's `metadata_props`, as text, and as JSON where they have parts:

| key | value |
|---|---|
| `format` | `fer-ensembles/model/1` |
| `classes` | JSON list of names, in the order of the output |
| `crop` | JSON of `Crop`: how a face is cut out of a picture before it is shown to the graph |
| `temperature` | what logits were divided by; it is inside the graph, and stands here to be known |
| `thresholds` | JSON `{"0.80": p, ...}`: the least top probability at which answers on val are right that often |
| `conformal` | JSON `{"coverage": 0.9, "quantile": q}` or `{}`: q of 1 - probability of the right class, on val |
| `suite`, `title` | where it was chosen, and its name for people |
| `members` | JSON list of objects with `label` and `hash`, the networks inside |
| `accuracy` | JSON `{"val": a, "test": b, "interval": [low, high]}` or `{}` |
| `code_version`, `licence` | of the project that made it, and of the file |
| `weights_sha256` | of the initializers (`zoo.use.onnx_file.weights_sha256`) |
| `restricted` | `true` where the data's terms forbid to hand the file on, else `false` |

Behind them stands `file_sha256`, of all bytes before it (`zoo.use.onnx_file.seal`). It is checked before the parser of
onnxruntime sees a byte; a file without it is not opened: blocks that were moved leave one that had it without a trace.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zoo.use.errors import NoModel
from zoo.use.onnx_file import is_sealed, weights_sha256

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FORMAT = "fer-ensembles/model/1"
LONGEST = 300  # characters of a text in the metadata, and of what is said of one
FAMILY, VERSION = FORMAT.rsplit("/", 1)
OPSET = 20
INPUT, OUTPUT = "crops", "probabilities"


@dataclass(frozen=True)
class Crop:
    """How a face is cut out: the side of the square is the side of the detector's box divided by `box_to_side`, its
    centre is moved up by `up` sides, and the picture is turned level where the eyes stand by more than
    `level_above_degrees` aslant. `size` and `colour` (`grey` or `rgb`) are what the networks see."""

    box_to_side: float = 0.88
    up: float = 0.04
    level_above_degrees: float = 5.0
    size: int = 48
    colour: str = "grey"


@dataclass(frozen=True)
class Facts:
    """What a model file says of itself; the fields are the keys of the module's table."""

    classes: tuple[str, ...]
    suite: str
    title: str
    weights_sha256: str
    crop: Crop = Crop()
    temperature: float = 1.0
    thresholds: Mapping[str, float] | None = None
    conformal: Mapping[str, float] | None = None
    members: tuple[Mapping[str, Any], ...] = ()
    accuracy: Mapping[str, Any] | None = None
    code_version: str = ""
    licence: str = "MIT"
    restricted: bool = False

    def metadata(self) -> dict[str, str]:
        """Return the `metadata_props` that say this, `format` first."""
        texts = {"format": FORMAT}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool):
                texts[field.name] = str(value).lower()
            elif isinstance(value, str | float):
                texts[field.name] = str(value)
            else:
                texts[field.name] = json.dumps(asdict(value) if isinstance(value, Crop) else value or {}, default=list)
        return texts | {"members": json.dumps(list(self.members))}

    @classmethod
    def of(cls, metadata: Mapping[str, str], name: str) -> Facts:
        """Return what a file's metadata says; raise NoModel, which names the file, where it is not ours or damaged."""
        _check_format(metadata, name)
        values: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in metadata:
                raise NoModel(f"{name} is no model of this project: its metadata lacks the key {field.name!r}")
            try:
                values[field.name] = _READ.get(field.name, _text)(metadata[field.name])
            except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
                reason = str(error)[:LONGEST]
                raise NoModel(f"{name}: its metadata has a {field.name!r} that cannot be read: {reason}") from error
        return cls(**values)

    def threshold(self, sure: float) -> float:
        """Return the least top probability at which answers are right in at least the share `sure` of cases.

        Raises ValueError where `sure` is not between 0.5 and 1, or more than was measured.
        """
        if not 0.5 < sure < 1:
            raise ValueError(
                f"sure must lie between 0.5 and 1, not {sure:g}: the share of answers that are to be right"
            )
        measured = {float(share): value for share, value in (self.thresholds or {}).items()}
        enough = [share for share in measured if share >= sure - 1e-9]
        if not measured:
            raise ValueError(f"{self.title} does not say how sure it is where: its file has no thresholds")
        if not enough:
            known = ", ".join(f"{share:g}" for share in sorted(measured))
            raise ValueError(f"{self.title} is never known to be {sure:g} sure: its thresholds are for {known}")
        return measured[min(enough)]


def _check_format(metadata: Mapping[str, str], name: str) -> None:
    if "format" not in metadata:
        raise NoModel(f"{name} is no model of this project: its metadata lacks the key 'format'")
    family, _, version = metadata["format"].rpartition("/")
    if family != FAMILY:
        raise NoModel(f"{name} is no model of this project: its format is {metadata['format']!r}, not {FORMAT!r}")
    if version != VERSION:
        raise NoModel(
            f"{name} has the format {metadata['format']}, and this version reads {FORMAT}: update the project"
        )


def _text(text: str) -> str:
    if not text.isprintable() or len(text) > LONGEST:
        raise ValueError(f"text that can be shown is needed, not {text[:LONGEST]!r}")
    return text


def _classes(text: str) -> tuple[str, ...]:
    names = json.loads(text)
    if not isinstance(names, list) or len(set(names)) < 2 or not all(isinstance(name, str) for name in names):
        raise ValueError(f"a list of at least two names is needed, not {text}")
    return tuple(map(_text, names))


def _number(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"a number above zero is needed, not {text}")
    return value


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"true or false is needed, not {text}")
    return text == "true"


def _numbers(text: str) -> dict[str, float]:
    return {str(key): float(value) for key, value in json.loads(text).items()}


_READ = {
    "classes": _classes,
    "crop": lambda text: Crop(**json.loads(text)),
    "temperature": _number,
    "thresholds": _numbers,
    "conformal": _numbers,
    "members": lambda text: tuple(json.loads(text)),
    "accuracy": lambda text: dict(json.loads(text)),
    "restricted": _flag,
}
"""How the text of a key becomes its value; of keys that are not here, it is the value where it can be shown."""


class Bundle:
    """A model file that is open: its facts, and its probabilities for crops. Threads may share one."""

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        """Open a file; `threads` is how many one call may use (default: one for each core that the
        process may use).

        Raises NoModel where there is no such file, it is not ours, damaged, or onnxruntime is missing.
        """
        self.name = Path(path).name
        model = _bytes(Path(path))
        _check_seal(model, self.name)
        self.session = session(model, self.name, threads)
        self.facts = Facts.of(self.session.get_modelmeta().custom_metadata_map, self.name)
        found = weights_sha256(model)
        if found != self.facts.weights_sha256:
            raise NoModel(
                f"{self.name} is damaged: the sha256 of its weights is {found}, and it says {self.facts.weights_sha256}"
            )
        self._check_ends()

    def _check_ends(self) -> None:
        takes = [(one.name, one.type, len(one.shape)) for one in self.session.get_inputs()]
        gives = {one.name: one.type for one in self.session.get_outputs()}
        if takes != [(INPUT, "tensor(uint8)", 4)] or gives.get(OUTPUT) != "tensor(float)":
            raise NoModel(f"{self.name}: its graph does not lead from {INPUT}, uint8 [N,H,W,3], to {OUTPUT}, float32")

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Return probabilities float32 [N, classes] of uint8 crops [N, height, width, 3]."""
        if not len(crops):
            return np.empty((0, len(self.facts.classes)), dtype=np.float32)
        return cast(np.ndarray, self.session.run([OUTPUT], {INPUT: np.ascontiguousarray(crops)})[0])


def _check_seal(model: bytes, name: str) -> None:
    if not is_sealed(model):
        raise NoModel(
            f"{name} is no model of this project, is damaged, or was exported by an older version: it does not end in "
            "the SHA-256 of its bytes; copy or export it again"
        )


def session(model: bytes, name: str, threads: int | None = None) -> InferenceSession:
    """Open a serialised ONNX model on the CPU; raise NoModel, which names it, where that cannot be."""
    if importlib.util.find_spec("onnxruntime") is None:
        torch = " (torch is here, but models run in onnxruntime alone)" if importlib.util.find_spec("torch") else ""
        raise NoModel(f'onnxruntime is missing: pip install -e ".[use]"{torch}')
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its messages go to the terminal; ours say the same in one line
    options.intra_op_num_threads = threads or usable_cores()
    # Detector and classifier take turns. A session that spins after its run keeps the cores from the other one: without
    # spinning a picture takes half the time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no class of their own
        reason = str(error).strip().splitlines()[0]
        raise NoModel(
            f"{name} is no ONNX model that onnxruntime {onnxruntime.__version__} can open: {reason}"
        ) from None


def usable_cores() -> int:
    """Count the cores that this process may use.

    onnxruntime's own default is a thread for each core of the machine, bound to it. Where a process is kept to some of
    them, the other threads wait for cores that others use: a crop took 28 ms where it takes 5.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _bytes(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise NoModel(f"{path}: is no regular file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoModel(f"{path}: there is no model to be read ({error.strerror})") from error
