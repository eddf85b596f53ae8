"""The card of a model: a pure function of its facts (model.json) and of results.json, so that no number is typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from benchmarks.formats import duration, escaped, interval, linked, percent, table
from benchmarks.publish import card_parts
from benchmarks.results import Results, leading_published, split_names
from benchmarks.results.analyses import AuditRow
from benchmarks.results.schema import Ensemble, Member

Facts = Mapping[str, Any]
SHOWN = (0.8, 0.85, 0.9)  # shares of right answers that the table has


def card(facts: Facts, results: Results) -> str:
    """Return the README of a model's folder: a header that hubs read, and what a user has to know.

    Raises ValueError where the results have no row of the model, or one of other predictions.
    """
    facts, results = escaped(dict(facts)), escaped(results)
    row = row_of(facts, results)
    parts = [
        card_parts.header(facts, results, row),
        f"# {facts['title']}: {len(facts['classes'])} facial expressions in one file",
        card_parts.what_it_is_not(facts, results),
        card_parts.use(facts),
        _files(facts),
        _input(facts),
        _results(facts, results, row),
        _by_class(facts, results),
        _calibration(facts, results),
        _choice(facts, results),
        _training(facts, results, row),
        card_parts.not_tested(facts, results),
        card_parts.how_to_cite(facts, results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def row_of(facts: Facts, results: Results) -> Member | Ensemble:
    """Return the row of the board that is of a model; raises ValueError where there is none of these predictions."""
    kind, name = facts["row"]["kind"], facts["row"]["name"]
    if kind == "member":
        found: Member | Ensemble | None = next((row for row in results["members"] if row["label"] == name), None)
        same = found is not None and cast(Member, found)["hash"] == facts["members"][0]["hash"]
    else:
        found = next((row for row in results["ensembles"] if row["name"] == name), None)
        used = [member["label"] for member in facts["members"]]
        same = found is not None and found["members_used"] == used
    if found is None or not same:
        raise ValueError(f"results.json of {results['suite']} has no row of {name} with the predictions of this model")
    return found


def _audit_row(facts: Facts, results: Results) -> AuditRow | None:
    wanted = (facts["row"]["kind"], facts["row"]["name"])
    return next((row for row in results["audit"]["rows"] if (row["kind"], row["name"]) == wanted), None)


def _files(facts: Facts) -> str:
    rows = [(name, f"{about['bytes']:,}", f"`{about['sha256']}`") for name, about in facts["files"].items()]
    stored = card_parts.STORED[facts["stored"]]
    sentences = (
        f"The model file is ONNX, opset 20; its weights are {stored}. It was made by commit `{facts['code_version']}`, "
        f"and checked before it was left: on {facts['check']['images']} images ({facts['check']['of']}), probabilities "
        f"differ by at most {facts['check']['largest_difference']:g} from those of the project's own path, and "
        f"{percent(facts['check']['same_class'])} % of the classes are the same."
    )
    return f"## Files\n\n{table('File|Bytes|SHA-256', rows, right=[1])}\n\n{sentences}"


def _input(facts: Facts) -> str:
    crop, classes = facts["crop"], ", ".join(facts["classes"])
    passes = f"the mean of {facts['passes']} passes" if facts["passes"] > 1 else "one pass"
    return (
        "## Input and output\n\n"
        f"`crops`: uint8 [N, height, width, 3], RGB faces of any size. `probabilities`: float32 [N, "
        f"{len(facts['classes'])}], calibrated, in the order {classes}. Colour, size ({crop['size']} x {crop['size']}, "
        f"{'grey' if crop['colour'] == 'grey' else 'RGB'}), normalisation and {passes} are inside.\n\n"
        "How the face is cut out decides more than the network. A crop is a square; its side is that of the detector's "
        f"box (BlazeFace) divided by {crop['box_to_side']}, its centre {100 * crop['up']:g} % of the side above the "
        f"box's, and it is turned level where the eyes are aslant by more than {crop['level_above_degrees']:g} degrees."
    )


def _results(facts: Facts, results: Results, row: Member | Ensemble) -> str:
    _, _, test = split_names(results)
    rows: list[tuple[Any, ...]] = []
    if measured := facts.get("measured"):
        rows.append(("**this file**", percent(measured["test_accuracy"]), interval(*measured["test_interval"])))
    rows.append((f"its row on the board, float32: {facts['title']}", *_score(row)))
    for file in facts.get("quantised", ()):
        if file["stored"] != facts["stored"]:
            faster = facts["pace"]["milliseconds"] / file["milliseconds"]
            how = f"`export --weights {file['stored']}`: {file['bytes'] / 1e6:.1f} MB"
            what = f"a file in {file['stored']} ({how}, {faster:.1f} times as fast)"
            rows.append((what, percent(file["test_accuracy"]), interval(*file["test_interval"])))
    audited, overlap = _audit_row(facts, results), results["audit"]["overlap"]
    if audited is not None and overlap is not None and audited["unseen_accuracy"] is not None:
        what = f"the row without the {overlap['test_in_train']} images whose pixels also stand in training"
        rows.append((what, percent(audited["unseen_accuracy"])))
    for best in leading_published(results, 1):
        rows.append((f"best comparable published: {best.title} ({linked(best.reference)})", percent(best.accuracy)))
    body = [(*cells, *[None] * (3 - len(cells))) for cells in rows]
    note = (
        f"Accuracy in per cent on {test} ({results['splits']['test']['size']:,} images), which chose nothing; 95 % "
        "intervals by bootstrap over images."
    )
    return f"## Results\n\n{table(f'What|{test}|95 %', body, right=[1])}\n\n{note}"


def _score(row: Member | Ensemble) -> tuple[str | None, str | None]:
    low, high = row["test_interval"]
    return percent(row["test_accuracy"]), interval(low, high)


def _by_class(facts: Facts, results: Results) -> str:
    wanted = (facts["row"]["kind"], facts["row"]["name"])
    counts = next((one["counts"] for one in results["confusions"] if (one["kind"], one["name"]) == wanted), None)
    if counts is None:
        return ""
    classes, said = facts["classes"], [sum(column) for column in zip(*counts, strict=True)]
    rows = []
    for index, (name, line) in enumerate(zip(classes, counts, strict=True)):
        precision = line[index] / said[index] if said[index] else None
        rows.append((name, sum(line), percent(line[index] / sum(line)), percent(precision), *line))
    head = "|".join(["Labelled", "Images", "Recall", "Precision", *(f"said {name}" for name in classes)])
    right = range(1, 4 + len(classes))
    return f"### By class\n\nThe row on the board, in per cent and images:\n\n{table(head, rows, right=list(right))}"


def _calibration(facts: Facts, results: Results) -> str:
    _, val, test = split_names(results)
    audited, measured = _audit_row(facts, results), facts.get("measured")
    sentences = f"Probabilities are calibrated by one temperature, {facts['temperature']:.3f}, fitted on {val}."
    if audited is not None:
        sentences += (
            f" On {test} the expected calibration error of the row is {audited['ece']:.3f} without it and "
            f"{audited['ece_scaled']:.3f} with it."
        )
    if measured is None:
        return f"## How sure it is\n\n{sentences}"
    return f"## How sure it is\n\n{sentences}\n\n{_abstention(facts, measured, val, test)}"


def _abstention(facts: Facts, measured: Facts, val: str, test: str) -> str:
    sets, shown = measured["sets"], [row for row in measured["answers"] if row["asked"] in SHOWN]
    head = "|".join(["Asked to be right", "Answers", "Right", *(f"answers where {name}" for name in facts["classes"])])
    body = [
        [f"{100 * row['asked']:.0f} %", *map(_share, [row["answered"], row["right"], *row["answered_by_class"]])]
        for row in shown
    ]
    return (
        "**It holds on images like these alone: elsewhere the thresholds promise nothing.** Below a probability "
        f"chosen on {val} it can keep silent (`predict --sure 0.85`). What that gave on {test}, with this file:\n\n"
        f"{table(head, body, right=list(range(1, len(facts['classes']) + 3)))}\n\n"
        f"It keeps silent unevenly. Sets of plausible expressions, asked to hold the label in "
        f"{100 * sets['coverage']:.0f} % of cases, held it in {100 * sets['covered']:.1f} %, with {sets['size']:.2f} "
        "classes on average."
    )


def _share(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.1f} %"


def _choice(facts: Facts, results: Results) -> str:
    _, val, test = split_names(results)
    if (choice := facts.get("choice")) is None:
        return ""
    if not choice["place"]:
        return f"## How it was chosen\n\nBy name, not by its accuracy on {val}."
    place = "has the best" if choice["place"] == 1 else f"is number {choice['place']} by"
    return (
        f"## How it was chosen\n\nBy {val} alone: of the {choice['of']} members whose file has at most "
        f"{choice['bytes'] / 1e6:g} MB, and that are made of no network of faces, it {place} accuracy there. {test} "
        "chose nothing."
    )


def _training(facts: Facts, results: Results, row: Member | Ensemble) -> str:
    train, val, _ = split_names(results)
    sizes = results["splits"]
    data = (
        f"{sizes['train']['size']:,} images ({train}): {facts['origin']}. Epochs were chosen on "
        f"{sizes['val']['size']:,} others ({val})."
    )
    trained = _member_training(row) if facts["row"]["kind"] == "member" else _ensemble_training(facts, results)
    licence = "It must not be handed on." if facts["restricted"] else "The file is under the MIT licence."
    terms = " ".join([licence, *card_parts.start_terms(facts), card_parts.IMAGES_APART])
    return "\n\n".join(["## Training", data, trained, terms])


def _member_training(row: Member | Ensemble) -> str:
    member = cast(Member, row)
    recipe = json.dumps(member["recipe"] or {}, sort_keys=True)
    return (
        f"`{member['name']}`, seed {member['seed']}, from {member['init']}, {member['epochs']} epochs in "
        f"{duration(member['train_seconds'])} on {member['device']}, {(member['params'] or 0):,.0f} parameters. "
        f"Configuration `{member['hash']}`, code `{member['code']}`; what its recipe changes from the defaults: "
        f"`{recipe}`."
    )


def _ensemble_training(facts: Facts, results: Results) -> str:
    rows = {row["label"]: row for row in results["members"]}
    body = []
    for member in facts["members"]:
        row = rows[member["label"]]
        body.append((member["label"], member.get("weight"), row["epochs"], duration(row["train_seconds"])))
    return table("Member|Weight|Epochs|Training", body, right=[1, 2])
