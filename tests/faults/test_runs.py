"""Whole runs among faults: one bad file costs itself alone, and what cannot be written is still printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.files import machine
from benchmarks.store.container import read_file
from benchmarks.store.targets import Targets, load_targets, save_targets, targets_path
from tests.helpers.runs import Outcome, cli, files
from tests.helpers.small_disk import small_disk

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


def run(results: Path, *options: object) -> Outcome:
    simple = ("--ensemblers", "uniform", "best_single", "--train", "never")
    return cli("--suite", "fer2013", "--results", results, *simple, *options)


def test_bad_files_beside_predictions_are_named_and_the_run_goes_on(stored_results: Path):
    folder = stored_results / "fer2013"
    (folder / "tta.csv").write_text("stem,tta\na,none\n")
    (folder / "predictions" / f"votes.{'f' * 12}.safetensors").write_bytes(b"no votes")
    (history,) = (folder / "predictions").glob("mini_xception.s0.*.csv")
    history.write_bytes(b"epoch,val_accuracy\n1,\xff\xfe\n")
    done = run(stored_results)
    assert (done.code, done.err) == (0, "")
    for name in ("tta.csv", f"votes.{'f' * 12}.safetensors", history.name):
        assert f"not used: {name}: " in done.out
    notes = json.loads((folder / "results.json").read_text())["notes"]
    assert len(notes) == 3 and not any(str(folder) in note for note in notes)


def test_where_nothing_can_be_written_the_table_is_printed_and_the_reason(stored_results: Path):
    assert run(stored_results).code == 0
    before = files(stored_results)
    with small_disk(0):
        done = run(stored_results, "--fresh")
    assert done.code == 2
    assert "vgg_fer" in done.out and "rank" in done.out
    assert "the results are computed, but not all reports are written: " in done.err
    assert "results.json cannot be written: File too large" in done.err and "Traceback" not in done.err
    assert files(stored_results) == before


def test_damaged_targets_are_named_with_what_heals_them_and_set_aside_when_it_comes(
    stored_results: Path, faces: Targets
):
    folder = stored_results / "fer2013" / "predictions"
    path = targets_path(folder, faces.fingerprint)
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes(9))
    done = run(stored_results)
    assert (done.code, done.out) == (2, "")
    assert f"{path.name}: is damaged" in done.err and "a run with --data DIR writes it anew" in done.err
    save_targets(folder, faces)  # as a run does that reads the images
    assert (load_targets(folder, faces.fingerprint).val == faces.val).all()
    assert path.with_suffix(".unreadable").exists() and len(path.read_bytes()) == len(content)
    assert read_file(path).proven


def test_drafts_of_the_dead_are_gone_after_the_next_run(stored_results: Path):
    folders = (stored_results, stored_results / "fer2013", stored_results / "fer2013" / "predictions")
    drafts = [folder / f".a.safetensors.{machine()}.999999999.draft" for folder in folders]
    for draft in drafts:
        draft.write_bytes(b"half")
    assert run(stored_results).code == 0
    assert not any(draft.exists() for draft in drafts)
