"""The kinds of files that a model can be exported to: how each is written, and opened again to be checked."""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.publish import onnx_file, static
from benchmarks.publish.check import Recogniser
from benchmarks.publish.spec import crops_of
from zoo.use.bundle import Bundle, Facts
from zoo.use.onnx_file import weights_sha256

if TYPE_CHECKING:
    from benchmarks.publish.graph import Model


@dataclass(frozen=True)
class Format:
    """A kind of file: how weights may be stored in it, and the packages it needs.

    `write(model, path, weights, facts, images)` writes it and returns the facts with the hash of its weights; `images`
    are stored training images uint8 [N,C,H,W], None where none are at hand. `open(path)` runs it. `restate(path,
    facts)` makes the file say other facts, where it says any.
    """

    suffix: str
    weights: tuple[str, ...]
    needs: tuple[str, ...]
    write: Callable[[Model, Path, str, Facts, np.ndarray | None], Facts]
    open: Callable[[Path], Recogniser]
    restate: Callable[[Path, Facts], None]


def write_onnx(model: Model, path: Path, weights: str, facts: Facts, images: np.ndarray | None) -> Facts:
    """Write the model as one ONNX file."""
    proto = onnx_file.to_onnx(model)
    if weights == "fp16":
        onnx_file.store_half(proto)
    elif weights == "int8":
        onnx_file.store_int8(proto)
    elif weights == "int8-static":
        assert images is not None
        chosen = np.random.default_rng(0).permutation(len(images))[: static.IMAGES]
        proto = static.quantised(proto, crops_of(images[np.sort(chosen)]))
    facts = replace(facts, weights_sha256=weights_sha256(proto.SerializeToString()))
    path.write_bytes(onnx_file.with_facts(proto, facts))
    return facts


def restate_onnx(path: Path, facts: Facts) -> None:
    """Make an ONNX file say other facts."""
    import onnx

    path.write_bytes(onnx_file.with_facts(onnx.load(str(path)), facts))


def write_openvino(model: Model, path: Path, weights: str, facts: Facts, images: np.ndarray | None) -> Facts:
    """Write the model as OpenVINO's two files, NAME.xml and NAME.bin, converted from ONNX."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        facts = write_onnx(model, source, "fp32", facts, None)
        converted = openvino.convert_model(str(source))
    openvino.save_model(converted, str(path), compress_to_fp16=weights == "fp16")
    return facts


def open_openvino(path: Path) -> Recogniser:
    """Open OpenVINO's files on the CPU, computing in float32."""
    import openvino

    options: Any = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", options)
    return lambda crops: np.asarray(compiled([np.ascontiguousarray(crops)])[0])


def write_torchscript(model: Model, path: Path, weights: str, facts: Facts, images: np.ndarray | None) -> Facts:
    """Write the model as TorchScript, with its facts as the extra file `facts.json`."""
    import torch

    facts = replace(facts, weights_sha256=_hash_of_all(facts))
    with _without_warnings(), torch.no_grad():
        script = torch.jit.trace(model, (torch.zeros(onnx_file.TRACED, dtype=torch.uint8),), check_trace=False)
        torch.jit.save(script, str(path), _extra_files={"facts.json": json.dumps(facts.metadata())})
    return facts


def open_torchscript(path: Path) -> Recogniser:
    """Open a TorchScript file on the CPU."""
    import torch

    with _without_warnings():
        script = torch.jit.load(str(path), map_location="cpu")

    def recognise(crops: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(script(torch.from_numpy(np.ascontiguousarray(crops))))

    return recognise


def restate_torchscript(path: Path, facts: Facts) -> None:
    """Make a TorchScript file say other facts."""
    import torch

    with _without_warnings():
        script = torch.jit.load(str(path), map_location="cpu")
        torch.jit.save(script, str(path), _extra_files={"facts.json": json.dumps(facts.metadata())})


def _hash_of_all(facts: Facts) -> str:
    """Return one hash for the weights of all members."""
    return hashlib.sha256("".join(one["weights_sha256"] for one in facts.members).encode()).hexdigest()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep from the terminal that TorchScript is deprecated, and that a trace holds what no input changes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def says_nothing(path: Path, facts: Facts) -> None:
    """Leave a file as it is that has no place for facts: they stand beside it."""


ONNX = ("onnx", "onnxscript", "onnxruntime")
FORMATS = {
    "onnx": Format(".onnx", ("fp32", "fp16", "int8", "int8-static"), ONNX, write_onnx, Bundle, restate_onnx),
    "openvino": Format(".xml", ("fp32", "fp16"), (*ONNX, "openvino"), write_openvino, open_openvino, says_nothing),
    "torchscript": Format(".pt", ("fp32",), (), write_torchscript, open_torchscript, restate_torchscript),
}
"""By name; a new format is one entry. Weights in fp32 come first, which is the default."""
