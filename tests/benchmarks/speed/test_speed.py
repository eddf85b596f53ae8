"""The speed benchmarks run, at sizes at which time does not matter; what they measure is not tested."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from copy import copy
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from benchmarks import suites
from benchmarks.data import Dataset
from benchmarks.speed import (
    designs,
    greedy,
    growth,
    inference,
    input_pipeline,
    report,
    scale,
    search,
    stacking,
    startup,
    tracks,
    training,
)
from benchmarks.speed import timing as bench
from benchmarks.speed.members import Members, read_members
from benchmarks.speed.records import Comparison, Record, write_record
from benchmarks.speed.tracks import Run, Track
from benchmarks.suites.suite import Suite
from tests.helpers.runs import ROOT
from zoo import registry
from zoo.registry import Member


def arguments(text: str) -> list[str]:
    return text.split()


def test_the_header_names_hardware_and_versions():
    text = bench.header("A title", ["no-such-package"])
    assert text.startswith("A title\n") and " core" in text and f"numpy {np.__version__}" in text
    assert "no-such-package" not in text


def test_a_missing_peer_ends_the_program_with_advice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "autogluon", None)
    for module in [name for name in sys.modules if name.startswith("autogluon.")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(SystemExit, match=r"autogluon.core is needed to compare with: pip install '.\[speed\]'"):
        greedy.main(["--made-up", "3", "20", "3"])


def test_times_and_ratios_are_ranges():
    timing, result = bench.timed(lambda: 7, 3)
    assert result == 7 and len(timing.seconds) == 3 and timing.best <= max(timing.seconds)
    assert bench.ratio(bench.Timing((1.0, 2.0)), bench.Timing((10.0, 30.0))).startswith(
        "10.0 times as fast (at least 5.0"
    )
    assert "once" in str(bench.Timing((1.0,))) and "2 runs" in str(bench.Timing((1.0, 2.0)))


def test_made_up_members_are_like_real_ones():
    logits, targets = bench.made_up(6, 2000, 7)
    accuracy = (logits.argmax(axis=2) == targets).mean(axis=1)
    assert logits.shape == (6, 2000, 7) and logits.dtype == np.float32
    assert 0.4 < accuracy.min() < accuracy.max() < 0.8


def test_the_search_is_timed(capsys: pytest.CaptureFixture[str]):
    search.main(arguments("--made-up 3 60 3 --jobs 1 --repeats 1 --profile"))
    out = capsys.readouterr().out
    assert "whole search:" in out and "stack_xgboost" in out


def test_combining_is_compared_with_scikit_learn(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stacking, "PEERS", [peer for peer in stacking.PEERS if "scikit-learn" in peer[1]])
    monkeypatch.setattr(stacking, "FROM_LOGITS", [peer for peer in stacking.FROM_LOGITS if "scikit-learn" in peer[1]])
    stacking.main(["--made-up", "3", "80", "3", "--repeats", "1"])
    out = capsys.readouterr().out
    assert out.count("times as fast") == 5
    lines = [line for line in out.splitlines() if "VotingClassifier(voting='soft')" in line or "accuracy" in line][1:3]
    ours, theirs = (line.split("accuracy")[1] for line in lines)
    assert ours == theirs, "a soft vote is the uniform average"
    from_logits = out.split("scikit-learn, from logits")[1].split("accuracy")[1:3]
    assert all(part.startswith(ours) for part in from_logits), "and the same where the peer takes the softmax"


def test_a_peer_that_fails_is_listed_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def missing(members: list[stacking.Column]) -> Any:
        return bench.peer("no_such_package_anywhere", "NoSuchPeer")

    def broken(members: list[stacking.Column]) -> Any:
        raise AttributeError("'KNORAU' object has no attribute\n'_validate_data' | or so")

    peers = [("uniform", "Missing", missing), ("uniform", "Broken", broken), stacking.PEERS[0]]
    monkeypatch.setattr(stacking, "PEERS", peers)
    monkeypatch.setattr(stacking, "FROM_LOGITS", ())
    path = tmp_path / "speed" / "stacking.json"
    stacking.main(["--made-up", "3", "40", "3", "--repeats", "1", "--json", str(path)])
    assert "Broken fails: 'KNORAU' object has no attribute '_validate_data'" in capsys.readouterr().out
    first, second, works = Record.read(path).comparisons
    assert "NoSuchPeer is needed to compare with" in first.failed and first.ratio is first.reached is None
    assert second.failed.startswith("'KNORAU'") and works.failed == "" and works.target == 1.0
    assert report.main(["--results", str(tmp_path)]) == 0
    text = (tmp_path / "speed.md").read_text()
    assert "| Broken | fails: 'KNORAU' object has no attribute '_validate_data' \\| or so |" in text


def test_a_peer_is_charged_for_no_more_than_its_own_work(monkeypatch: pytest.MonkeyPatch):
    """Its probabilities are there before the clock starts, and both sides run in turns."""
    order: list[str] = []
    logits = np.random.default_rng(0).standard_normal((2, 8, 3), dtype=np.float32)
    members = Members("", logits, np.arange(8) % 3, logits[:, :5])

    def columns(logits: np.ndarray) -> np.ndarray:
        order.append("columns")
        return np.zeros((logits.shape[1], 6))

    monkeypatch.setattr(stacking, "_columns", columns)

    def build(members: list[stacking.Column]) -> Any:
        order.append("theirs")
        return SimpleNamespace(
            fit=lambda rows, targets: SimpleNamespace(predict_proba=lambda unseen: np.full((len(unseen), 3), 1 / 3))
        )

    found = stacking.compared(members, "uniform", "peer", build, 2)
    assert order == ["columns", "columns", "theirs", "theirs", "theirs"] and found.theirs is not None


def test_the_members_of_the_committed_store_are_those_of_its_ensembles():
    if not (suites_of := ROOT / "results" / "ferplus").exists():
        pytest.skip("no results are committed")
    found = read_members(Namespace(suite="ferplus", results=suites_of.parent, made_up=None))
    results = json.loads((suites_of / "results.json").read_text())
    assert len(found.logits) == len(next(row for row in results["ensembles"] if row["name"] == "uniform")["weights"])
    assert found.logits.shape[1] == len(found.targets) == results["splits"]["val"]["size"]
    assert found.unseen.shape == (len(found.logits), results["splits"]["test"]["size"], len(results["classes"]))
    assert found.half(second=False).sum() - found.half(second=True).sum() in (0, 1)


def test_a_store_without_predictions_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"digits.predictions has no predictions: give --results, or --made-up"):
        read_members(Namespace(suite="digits", results=tmp_path, made_up=None))


def test_members_are_selected_from_mapped_files(tmp_path: Path):
    scale.write_members(tmp_path, 4, 120, 5)
    path = tmp_path / "member0002.safetensors"
    np.testing.assert_array_equal(scale.memory_map(path, "val"), load_file(path)["val"])
    found = scale.select(tmp_path)
    assert set(found) == {"seconds", "accuracy", "peak_gb"}
    accuracy = found["accuracy"]
    assert isinstance(accuracy, dict) and accuracy["greedy"] >= accuracy["greedy, log-loss"]


def test_growth_is_measured_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(growth, "USUAL", {"members": 3, "samples": 40, "classes": 3, "steps": 2})
    small = {"members": (2, 3), "samples": (30, 40), "classes": (2, 3), "steps": (1, 2)}
    monkeypatch.setattr(growth, "VARIED", small)
    monkeypatch.setattr(
        growth, "METHODS", {name: growth.METHODS[name] for name in ("greedy, accuracy", "optimal weights")}
    )
    growth.main(["--results", str(tmp_path), "--repeats", "1"])
    lines = (tmp_path / "speed" / "growth.csv").read_text().splitlines()
    assert lines[0] == "varied,value,method,seconds" and len(lines) == 1 + 3 * 2 * 2 + 2
    assert (tmp_path / "speed" / "growth.png").stat().st_size > 1000


def test_rates_are_measured_in_turns():
    order: list[str] = []
    sides = {name: lambda name=name: order.append(name) or 1.0 + len(order) for name in ("a", "b")}
    found = bench.in_turns(sides, 2)
    assert order == ["a", "b", "a", "b"] and found["a"].per_second == (2.0, 4.0)
    assert found["b"].over(found["a"]) == "1.2 times as fast (at least 0.8 in these runs)"
    rate = bench.rates({"one": lambda: 5}, 0.01, 1)["one"]
    assert rate.best > 500 and str(rate).endswith("a second")


def test_a_comparison_knows_which_way_is_better():
    assert Comparison("x", "s", 2.0, "peer", 6.0, target=4.0).ratio == 3.0
    assert Comparison("x", "images/s", 6.0, "peer", 2.0, target=3.0).reached
    assert Comparison("x", "s", 0.5, target=0.4).reached is False
    assert Comparison("x", "s", 0.5).reached is None


def test_augmentation_is_compared_with_the_pil_loader(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "speed" / "input.json"
    small = arguments("--images 32 --batch-size 8 --workers 0 --rounds 1 --seconds 0.01 --channels 3 --cores 1")
    input_pipeline.main([*small, "--json", str(path)])
    out = capsys.readouterr().out
    assert "against torchvision PIL, 0 workers:" in out
    record = Record.read(path)
    assert record.script == "input_pipeline" and record.versions["torch"] and record.comparisons[0].target == 10
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"input.json is no record of a speed benchmark"):
        Record.read(path)


def test_training_is_compared_with_a_usual_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "training.json"
    small = arguments(
        "--members resnet_digits --images 64 --batch-size 16 --workers 0 --rounds 1 --seconds 0.01 --cores 1"
    )
    training.main([*small, "--json", str(path)])
    out = capsys.readouterr().out
    assert out.count("times as fast") == 3 and "MFU" not in out
    assert {one.peer for one in Record.read(path).comparisons} == {
        "timm-style, PIL with 0 workers",
        "eager float32, our batches",
        "ours, torch's convolutions",
    }


def test_the_share_of_a_known_cards_peak_is_printed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training, "device_name", lambda device: "NVIDIA H200")
    member = registry.get("vgg_fer")
    assert member.macs is not None
    rate = bench.Rate((989e12 / 6 / member.macs / 4,))
    assert next(training.utilisation(member, rate, "cuda")) == "  MFU 25.0%: 247.2 of 989 TFLOP/s dense bf16"
    assert not list(training.utilisation(member, rate, "cpu"))
    monkeypatch.setattr(training, "device_name", lambda device: "another card")
    assert not list(training.utilisation(member, rate, "cuda"))


def test_inference_is_timed_and_missing_peers_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for name in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(inference, "supports_bf16", lambda: True)
    path = tmp_path / "inference.json"
    small = arguments("--members lenet --batch-sizes 1 3 --rounds 1 --seconds 0.01 --cores 1")
    inference.main([*small, "--json", str(path)])
    out = capsys.readouterr().out
    assert out.count("left out, ") == 3 and "OpenVINO: left out, openvino is needed" in out
    assert f"{inference.EXPORTED}: left out, onnxruntime is needed" in out
    assert [(one.what, one.peer) for one in Record.read(path).comparisons] == [
        (f"lenet, batch {n}, 1 core(s)", peer) for n in (1, 3) for peer in ("eager", "eager, bf16")
    ]


def test_a_peer_whose_logits_are_others_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inference, "onnx_runtime", lambda *_: lambda inputs: inputs.flatten(1)[:, :7])
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert "ONNX Runtime" not in inference.runners(registry.get("lenet"), 1, inference.PEERS)
    assert "ONNX Runtime: left out, its logits differ by" in capsys.readouterr().out


def test_each_network_of_the_zoo_is_timed_once(capsys: pytest.CaptureFixture[str]):
    found = inference.networks(["resnet18*", "lenet", "mini_xception*"])
    assert list(found) == ["resnet18", "resnet18_imagenet", "lenet", "mini_xception"], (
        "at 48 and 96 pixels, at one size"
    )
    inference.main(arguments("--members lene* --batch-sizes 1 --rounds 1 --seconds 0.01 --cores 1 --peers"))
    assert "left out" not in capsys.readouterr().out, "no peer was asked for"


TINY = Track("T1", 1.0, 60.0, "cpu", "lenet", ("image_size=16", "recipe.epochs=2", "recipe.batch_size=32"))


@pytest.fixture
def tiny_tracks(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """T1 and E1 on generated stripes, in place of the real ones."""
    monkeypatch.setattr(tracks, "TRACKS", {"T1": TINY, "E1": replace(TINY, name="E1", networks=2)})
    stripes = Suite("fer2013", "stripes", "", ("a", "b", "c"), (), load=lambda folder: dataset)
    monkeypatch.setattr(suites, "get", lambda name: stripes)


@pytest.mark.usefixtures("tiny_tracks")
@pytest.mark.parametrize("name", ["T1", "E1"])
def test_a_track_is_run_and_judged(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "tracks.json"
    code = tracks.main(["--track", name, "--seeds", "2", "--json", str(path)])
    out = capsys.readouterr().out
    assert "PrivateTest" not in out and out.count("PublicTest") == 4 and out.count("seed ") == 2
    assert code == (0 if out.splitlines()[-1] == f"{name} reached" else 1)
    assert [one.unit for one in Record.read(path).comparisons] == ["%", "s"]
    assert "PrivateTest" not in path.read_text()


@pytest.mark.usefixtures("tiny_tracks")
def test_no_track_looks_at_the_test_split(
    dataset: Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    blind = copy(dataset)
    object.__setattr__(blind, "test", None)  # looking there would fail
    suite = replace(suites.get("fer2013"), load=lambda folder: blind)
    monkeypatch.setattr(suites, "get", lambda name: suite)
    assert tracks.main(["--track", "E1", "--seeds", "1", "--set", "recipe.epochs=1"]) == 1, "one seed proves nothing"
    assert "mean of 1 on PublicTest" in capsys.readouterr().out.splitlines()[-2]
    assert tracks.main(["--track", "T1", "--set", "recipe.epoch=1"]) == 2
    assert "did you mean recipe.epochs" in capsys.readouterr().err


def test_a_track_is_reached_by_mean_significance_and_time():
    def judged(accuracies: list[float], seconds: float) -> tuple[str, bool]:
        runs = [Run(seed, accuracy, seconds) for seed, accuracy in enumerate(accuracies)]
        return tracks.verdict(replace(TINY, accuracy=70.0), runs)

    text, reached = judged([70.4, 70.6, 70.5, 70.5], 50)
    assert reached and text.endswith("T1 reached") and "mean of 4 on PublicTest 70.50 %" in text
    text, reached = judged([69.0, 69.2, 69.1], 50)
    assert not reached and text.endswith("0.90 points short")
    text, reached = judged([69.0, 72.0], 70)
    assert not reached and text.endswith("not significant at 0.01, 10.0 s too long")
    assert not judged([72.0], 50)[1], "one seed proves nothing"


def test_the_settings_of_every_track_are_settings():
    for track in tracks.TRACKS.values():
        tracks.override(registry.get(track.member), track.settings)


def test_startup_is_timed_beside_its_targets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    called: list[str] = []
    record = Path("local") / "last_run.json"
    other = tmp_path / "other"
    other.mkdir()
    (other / "benchmark.py").touch()

    def answered(arguments: list[str], checkout: Path = startup.ROOT) -> str:
        if checkout == other:
            called.append("other")
            return ""
        path = Path(arguments[3]) / "suite" / record if arguments[0] == "--suite" else tmp_path / "none"
        known = [] if not path.exists() else ["known" if "today" in path.read_text() else "reports"]
        shown = len(list(Path(arguments[3]).glob("suite/predictions/*"))) if arguments[0] == "--suite" else 0
        of = [str(shown)] if shown else []
        called.append(" ".join([arguments[0], *of, *(["--fresh"] if "--fresh" in arguments else []), *known]))
        if arguments[0] == "--suite":
            (Path(arguments[3]) / "suite" / record).write_text('{"reports": "today"}')
        return ""

    monkeypatch.setattr(startup, "answered", answered)
    predictions = tmp_path / "suite" / "predictions"
    predictions.mkdir(parents=True)
    (tmp_path / "suite" / "local").mkdir()
    for seed in range(30):
        (predictions / f"linear.s{seed}.0123456789ab.safetensors").touch()
    path = tmp_path / "startup.json"
    asked = ["--suite", "suite", "--results", str(tmp_path), "--repeats", "1", "--json", str(path)]
    startup.main(asked)
    fresh = [f"--suite {count} --fresh{known}" for count in (28, 30) for known in ("", " known", " known")]
    others = [f"--suite 30{known}" for known in ("", " reports", " known") for _ in range(3)]
    assert called == ["--help", "--list", *fresh, *others]
    out = capsys.readouterr().out
    assert out.count("within") + out.count("OVER") == 8
    *commands, imports = Record.read(path).comparisons
    assert [one.target for one in commands] == [0.25, 0.25, 10.0, 10.0, 4.0, 4.0, 1.0]
    few, every = (one.what for one in commands[2:4])
    assert few == "benchmark.py, leaderboard of 28 members, from nothing"
    assert every == "benchmark.py, leaderboard of all 30 members, from nothing"
    assert imports.what == "import ensembles" and 0.0 < imports.ours < 5.0
    called.clear()
    startup.main([*asked, "--beside", str(other)])
    assert called == [
        turn
        for count in (28, 30)
        for known in ("", " known", " known")
        for turn in (f"--suite {count} --fresh{known}", "other")
    ]
    rows = Record.read(path).comparisons
    assert [(one.what, one.peer) for one in rows] == [(few, "code other"), (every, "code other")]
    assert all(one.ratio is not None for one in rows)


def test_startup_wants_a_checkout_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        startup.main(["--beside", str(tmp_path)])
    assert "no benchmark.py is there" in capsys.readouterr().err


def test_the_slowest_imports_are_named():
    lines = startup.profile(["--help"])
    assert len(lines) == startup.SLOWEST and all(line.strip()[0].isdigit() and " ms  " in line for line in lines)


def left_behind(folder: Path) -> None:
    rows = [
        Comparison("greedy by accuracy", "s", 0.1, "AutoGluon", 2.0, 11.0, 10.0),
        Comparison("bagged", "s", 0.4, "AutoGluon", 0.2),
    ]
    write_record(folder / "speed" / "greedy.json", "greedy", "Greedy selection", rows)
    write_record(
        folder / "speed" / "a.json", "tracks", "T1: 70 %", [Comparison("T1, accuracy", "%", 69.0, target=70.0)]
    )
    write_record(folder / "speed" / "z.json", "startup", "Start-up", [Comparison("--list", "s", 0.3, target=0.4)])


def test_the_report_is_a_function_of_the_records(tmp_path: Path):
    left_behind(tmp_path)
    assert report.main(["--results", str(tmp_path)]) == 0
    text = (tmp_path / "speed.md").read_text()
    assert "| greedy by accuracy | s | 0.1 | AutoGluon | 2 | 20 | 11 | 10, reached |" in text
    assert "| bagged | s | 0.4 | AutoGluon | 0.2 | 0.5 | - | - |" in text
    assert "| T1, accuracy | % | 69 | - | - | - | - | 70, NOT reached |" in text
    assert text.index("## Start-up") < text.index("## Greedy") < text.index("## T1"), "in the order of the scripts"
    files = {path.name: path.read_bytes() for path in (tmp_path / "speed").glob("ratios.*")}
    assert set(files) == {"ratios.png", "ratios.svg"}
    report.main(["--results", str(tmp_path)])
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "speed").glob("ratios.*")}
    assert (tmp_path / "speed.md").read_text() == text


def test_a_report_without_records_says_how_to_make_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert report.main(["--results", str(tmp_path)]) == 2
    assert "measure with --run all" in capsys.readouterr().err


def test_the_report_runs_the_scripts_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    left_behind(tmp_path)
    ran: list[str] = []
    monkeypatch.setattr(report, "run", lambda script, folder: ran.append(script))
    report.main(["--results", str(tmp_path), "--run", "search", "startup"])
    assert ran == ["startup", "search"]
    report.main(["--results", str(tmp_path), "--run", "all"])
    assert ran[2:] == list(report.SCRIPTS)


@pytest.mark.parametrize("script", report.SCRIPTS)
def test_every_script_of_the_report_can_leave_a_record(script: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        import_module(f"benchmarks.speed.{script}").main(["--help"])
    assert "--json FILE" in capsys.readouterr().out


def test_every_design_is_a_network_and_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for design in designs.DESIGNS.values():
        member = design.of(registry.get("vgg_fer@muon"))
        assert member.build(7, 1).eval()(torch.zeros(2, 1, 48, 48)).shape == (2, 7)
        assert member.macs is not None and 1e8 < member.macs < 1.6e8, "about as much arithmetic as vgg_fer"
    trained = []

    def run(track: Track, member: Member, *rest: object, **options: object) -> Run:
        trained.append((member.builder.partition(":")[2], member.recipe.optimizer))
        return Run(0, 60.0 + len(trained), 1.0)

    monkeypatch.setattr(designs.tracks, "run", run)
    monkeypatch.setattr(designs.suites, "get", lambda name: SimpleNamespace(read=lambda options: None))
    path = tmp_path / "designs.json"
    assert designs.main(["--only", "sgd", "--json", str(path)]) == 0
    assert designs.main(["--only", "sgd", "residual", "--json", str(path)]) == 0
    assert trained == [("vgg_fer", "sgd"), ("residual", "muon")]
    assert [row.ours for row in Record.read(path).comparisons] == [61.0, 62.0]
    assert designs.main(["--only", "nothing"]) == 2
