"""Throughput and latency of members on the CPU: as they are, compiled, in ONNX Runtime and in OpenVINO.

    python -m benchmarks.speed.inference [--members vgg_fer resnet18 --batch-sizes 1 8 64 --compile]

All run the same network with random weights on the same float batches, in eval mode; its logits are compared first.
`ours` is what predictions are made with: float32, folded (zoo/inference/fuse.py, which says what bounds it), and a core
a batch (zoo/inference/by_core.py); `eager` is the network as it is, channels last; bf16 is what training validates
with. Pictures are answered by an exported file in ONNX Runtime, opened as zoo/use opens it: rows *on pictures*. At
batch 1 the rate is the reciprocal of the latency. A peer that is not installed, or that cannot take a network, is left
out with one line. ONNX Runtime is under the MIT licence, OpenVINO under Apache 2.0. Every network of the zoo by itself,
in a second section of the report:

    python -m benchmarks.speed.inference --members '*' --peers --json results/speed/inference_members.json
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.provenance import cpu_cores
from benchmarks.publish.onnx_file import convolve_prelu
from benchmarks.speed.records import Comparison, add_json_option, compare_rates, write_record
from benchmarks.speed.timing import PeerMissing, Rate, header, peer, rates
from zoo import registry
from zoo.cpu import keep_freed_memory, supports_bf16
from zoo.inference.by_core import each, shares
from zoo.inference.fuse import folded
from zoo.inference.predict import AT_ONCE
from zoo.outputs import logits_of
from zoo.registry import Member
from zoo.use.bundle import session

PACKAGES = ("torch", "timm", "onnxruntime", "openvino")
PEERS = ("ONNX Runtime", "OpenVINO")
EXPORTED = "ours, exported"
NETWORKS = (
    "vgg_fer", "mobilenetv1_mid", "face_mobilenet_mid", "efficientnet_lite0", "mobilenetv2", "resnet29_mid",
    "resnet18", "mini_xception",
)  # fmt: skip
"""Those of the headlines, and two that are bound by something else than arithmetic."""
AGREE = 1e-2  # of the largest logit: what other orders of float32 sums may differ by

Run = Callable[[Tensor], Tensor]  # float [B,C,H,W] to logits [B,K]


def main(argv: list[str] | None = None) -> None:
    """A table a member: a line a side, images a second by batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", nargs="+", default=list(NETWORKS), help="names, patterns")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="none where none is named")
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--cores", type=int, default=cpu_cores(), help="threads of every side")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side's round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="torch.compile as well: minutes for each batch size")
    add_json_option(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.cores)
    keep_freed_memory()
    print(header(f"Inference, {options.cores} core(s)", PACKAGES))
    rows: list[Comparison] = []
    peers = (["torch.compile"] if options.compile else []) + options.peers
    peers += [EXPORTED] if options.peers else []
    for name, member in networks(options.members).items():
        print(f"\n{name}, {member.image_size}x{member.image_size}")
        sides = runners(member, options.cores, peers)
        for batch_size in options.batch_sizes:
            found = measure(sides, member, batch_size, options.seconds, options.rounds)
            print(table(batch_size, found))
            rows += compared(found, name, f"batch {batch_size}, {options.cores} core(s)")
    title = f"Inference on the CPU{'' if peers else ', more members'}{'' if supports_bf16() else ', without bfloat16'}"
    write_record(options.json, "inference", title, rows, PACKAGES)


def compared(found: dict[str, Rate], name: str, how: str) -> list[Comparison]:
    """Compare predictions with their peers, and what answers pictures with its own."""
    rates = {side: rate for side, rate in found.items() if side != EXPORTED}
    rows = compare_rates(rates, f"{name}, {how}", "images/s")
    if EXPORTED in found:
        peers = {side: rate for side, rate in rates.items() if side in PEERS}
        rows += compare_rates({EXPORTED: found[EXPORTED], **peers}, f"{name} on pictures, {how}", "images/s")
    return rows


def networks(patterns: Sequence[str]) -> dict[str, Member]:
    """The members that match, the first of those with the same network at the same size; UnknownName."""
    found: dict[tuple[str, int], Member] = {}
    for name in registry.select("member", patterns, registry.members()):
        member = registry.get(name)
        found.setdefault((member.builder, member.image_size), member)
    return {member.name: member for member in found.values()}


def measure(sides: dict[str, Run], member: Member, batch_size: int, seconds: float, rounds: int) -> dict[str, Rate]:
    """Images a second of each side at one batch size."""
    inputs = torch.randn(batch_size, 1, member.image_size, member.image_size)

    def one_batch(run: Run) -> int:
        run(inputs)
        return batch_size

    return rates({name: partial(one_batch, run) for name, run in sides.items()}, seconds, rounds)


def table(batch_size: int, found: dict[str, Rate]) -> str:
    """Rates and the milliseconds of a batch, the ratios to ours last."""
    lines = [
        f"  batch {batch_size:4d}  {name:14s} {rate.best:8,.0f} images/s {1000 * batch_size / rate.best:8.2f} ms"
        for name, rate in found.items()
    ]
    (_, ours), *others = found.items()
    ratios = [f"{name} {ours.best / rate.best:.2f}" for name, rate in others]
    return "\n".join([*lines, f"  ours against {', '.join(ratios)}"])


def runners(member: Member, cores: int, peers: Sequence[str]) -> dict[str, Run]:
    """The sides that can run this member, ours first; others are named with the reason."""
    torch.manual_seed(0)
    network = member.build(7, 1).eval().to(memory_format=torch.channels_last)
    size = (1, member.image_size, member.image_size)
    found: dict[str, Run] = {"ours": partial(ours, folded(network, size)), "eager": partial(eager, network)}
    builders: dict[str, Callable[[nn.Module, Member, int], Run]] = {
        "torch.compile": compiled_network,
        "ONNX Runtime": onnx_runtime,
        EXPORTED: on_pictures,
        "OpenVINO": openvino,
    }
    if supports_bf16():
        found["eager, bf16"] = partial(eager_bf16, network)
    probe = torch.randn(2, 1, member.image_size, member.image_size)
    expected = found["ours"](probe)
    for name in peers:
        try:
            run = builders[name](network, member, cores)
            worst = float((run(probe) - expected).abs().max() / expected.abs().max())
        except PeerMissing as missing:
            print(f"  {name}: left out, {missing}")
            continue
        except Exception as error:  # whatever an exporter or a compiler cannot do with a network
            print(f"  {name}: left out, {type(error).__name__}: {' '.join(str(error).split())[:100]}")
            continue
        if worst > AGREE:
            print(f"  {name}: left out, its logits differ by {worst:.1%} of the largest")
            continue
        found[name] = run
    return found


def ours(network: nn.Module, inputs: Tensor) -> Tensor:
    """As predictions are made: a large batch is shared among the cores."""
    size, threads = shares(len(inputs), AT_ONCE["cpu"])
    return torch.cat(each(partial(eager, network), inputs.split(size), threads))


@torch.inference_mode()
def eager(network: Callable[[Tensor], Any], inputs: Tensor) -> Tensor:
    """The network as it is, in channels-last memory."""
    return logits_of(network(inputs.contiguous(memory_format=torch.channels_last)))


@torch.inference_mode()
def eager_bf16(network: Callable[[Tensor], Any], inputs: Tensor) -> Tensor:
    """The same by bf16 autocast."""
    with torch.autocast("cpu", torch.bfloat16):
        return eager(network, inputs)


def compiled_network(network: nn.Module, member: Member, cores: int) -> Run:
    """By torch.compile, whose seconds are printed; each batch size is compiled anew in its warm-up."""
    compiled = torch.compile(network, dynamic=False)
    start = time.perf_counter()
    eager(compiled, torch.randn(2, 1, member.image_size, member.image_size))
    print(f"  torch.compile: {time.perf_counter() - start:.1f} s for one batch size")
    return partial(eager, compiled)


def onnx_runtime(network: nn.Module, member: Member, cores: int) -> Run:
    """ONNX Runtime's CPU provider on the exported network, with its own settings."""
    runtime: Any = peer("onnxruntime", "onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = cores
    return _by(
        runtime.InferenceSession(exported(network, member.image_size), settings, providers=["CPUExecutionProvider"])
    )


def on_pictures(network: nn.Module, member: Member, cores: int) -> Run:
    """The same file as pictures are answered by it."""
    onnx: Any = peer("onnx", "onnx")
    peer("onnxruntime", "onnxruntime")
    proto = onnx.load_from_string(exported(network, member.image_size))
    convolve_prelu(proto)
    return _by(session(proto.SerializeToString(), member.name, cores))


@lru_cache(maxsize=1)
def exported(network: nn.Module, image_size: int) -> bytes:
    """The network as an ONNX file, for any number of images."""
    peer("onnxscript", "onnxscript")
    inputs, batch = torch.randn(2, 1, image_size, image_size), {0: torch.export.Dim.DYNAMIC}
    with _quiet():
        program = torch.onnx.export(_Logits(network), (inputs,), input_names=["images"], dynamic_shapes=(batch,))
    assert program is not None
    return program.model_proto.SerializeToString()


def _by(opened: Any) -> Run:
    def run(inputs: Tensor) -> Tensor:
        (logits,) = opened.run(None, {"images": inputs.numpy()})
        return torch.from_numpy(np.asarray(logits))

    return run


def openvino(network: nn.Module, member: Member, cores: int) -> Run:
    """OpenVINO's CPU plugin on the network traced by its own converter, in float32."""
    package: Any = peer("openvino", "openvino")
    with _quiet():
        model = package.convert_model(
            _Logits(network), example_input=torch.randn(2, 1, member.image_size, member.image_size)
        )
    settings = {"INFERENCE_NUM_THREADS": cores, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = package.compile_model(model, "CPU", settings)
    return lambda inputs: torch.from_numpy(compiled(inputs.numpy())[0])


class _Logits(nn.Module):
    """A network without its further outputs, which exporters do not know."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return logits_of(self.network(images))


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the exporters' own reports."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


if __name__ == "__main__":
    main()
