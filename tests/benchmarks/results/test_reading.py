"""results.json of another run: read whole, or refused with what is missing and what rebuilds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.files import json_text, write_atomic
from benchmarks.report import page
from benchmarks.results import FORMAT, read_results
from tests.helpers.results import audit, audit_row, blank_results, ensemble, member
from tests.helpers.runs import ROOT

COMMITTED = sorted((ROOT / "results").glob("*/results.json"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "faces" / "results.json"


def whole() -> Any:
    made_up = blank_results(
        members=[member("net", 0, 0.7), member("mine", None, 0.6, kind="external", label="mine")],
        ensembles=[ensemble("uniform", "Uniform average", 0.71, ["net"])],
        audit=audit([audit_row("member", "net", 0.7)], members=1),
        protocol={"folds": 1, "unit": "people", "units": 7},
        summary={"rivals": [], "overlap": None, "label_noise": None},
    )
    return json.loads(json.dumps(made_up))


def test_what_was_written_is_read(path: Path):
    write_atomic(path, json_text(whole()))
    assert read_results(path) == whole()


@pytest.mark.parametrize("committed", COMMITTED, ids=lambda path: path.parent.name)
def test_the_committed_results_have_all_their_parts(committed: Path):
    assert read_results(committed)["format"] == FORMAT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.pop("format"), "has the format None, not 'fer-ensembles/results/1'"),
        (lambda found: found.update(format="fer-ensembles/results/0"), "has the format 'fer-ensembles/results/0'"),
        (lambda found: found.pop("audit"), "lacks audit;"),
        (lambda found: found["members"][1].pop("hash"), "lacks members[1].hash;"),
        (lambda found: found["splits"].pop("test"), "lacks splits.test;"),
        (lambda found: found["summary"].pop("rivals"), "lacks summary.rivals;"),
        (lambda found: found["audit"]["learning_curve"]["val"].pop("mean"), "lacks audit.learning_curve.val.mean;"),
        (lambda found: found.update(members={}), "lacks members (no array);"),
        (lambda found: found.update(splits=[]), "lacks splits (no object);"),
        (lambda found: found.update(ensembles=[None]), "lacks ensembles[0] (no object);"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_rebuilds_it(path: Path, change: Any, said: str):
    found = whole()
    change(found)
    write_atomic(path, json.dumps(found))
    with pytest.raises(ValueError) as refused:
        read_results(path)
    assert f"{path} {said}" in str(refused.value)
    assert str(refused.value).endswith("from the stored predictions: python benchmark.py --suite faces")


@pytest.mark.parametrize("text", ["{", "[]", "null", '"results"'])
def test_a_file_that_is_no_results_is_refused(path: Path, text: str):
    write_atomic(path, text)
    with pytest.raises(ValueError, match=r"results\.json (cannot be read|has the format None)"):
        read_results(path)


def test_a_folder_of_results_elsewhere_is_part_of_the_command(tmp_path: Path):
    write_atomic(tmp_path / "out" / "faces" / "results.json", "{}")
    with pytest.raises(ValueError, match=rf"--suite faces --results {tmp_path / 'out'}$"):
        read_results(tmp_path / "out" / "faces" / "results.json")


def test_parts_that_not_every_suite_has_may_be_missing(path: Path):
    found = whole()
    del found["protocol"], found["summary"]
    write_atomic(path, json_text(found))
    assert "protocol" not in read_results(path)


def test_the_page_for_all_names_an_outdated_neighbour_and_shows_no_rehearsal(path: Path):
    write_atomic(path, json_text(whole()))
    write_atomic(path.parents[1] / "old" / "results.json", json.dumps({**whole(), "format": None}))
    write_atomic(path.parents[1] / "digits" / "results.json", json_text(whole() | {"rehearsal": True}))
    text = page.write_index(path.parents[1]).read_text(encoding="utf-8")
    assert str(path.parents[1]) not in text  # a page that others read tells no paths
    assert 'href="faces/index.html"' in text and 'href="digits/index.html"' not in text
    assert "old/results.json has the format None" in text and "python benchmark.py --suite old" in text
    assert str(path.parents[1]) not in text, "where results lie is of one machine"
