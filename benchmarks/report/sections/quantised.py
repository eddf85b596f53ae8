"""What quantisation costs, in accuracy and bytes: the files of the released model."""

from __future__ import annotations

from benchmarks.formats import escape, interval, milliseconds, p_value, percent, points, table
from benchmarks.results import Results, member_rows, split_names

ARITHMETIC = {
    "fp16": "float16 weights, float32 arithmetic",
    "int8": "int8 weights, float32 arithmetic",
    "int8-static": "int8 weights and arithmetic",
}


def quantised_section(results: Results) -> str:
    """Compare the released model's files with their row; empty for a suite without a released model."""
    if "quantised" not in results:
        return ""
    known = results["quantised"]
    _, val, test = split_names(results)
    labels = [member["label"] for member in results["members"]]
    row = member_rows(results)[labels.index(known["row"])]
    accuracy, bounds = row.accuracy or 0.0, interval(row.ci_low, row.ci_high)
    body = [["float32, its row above", None, percent(row.val_accuracy), percent(accuracy), bounds, *[None] * 4]]
    for file in known["files"]:
        low, high = file["test_interval"]
        body.append(
            [
                ARITHMETIC[file["stored"]],
                f"{file['bytes'] / 1e6:.2f} MB",
                percent(file["val_accuracy"]),
                percent(file["test_accuracy"]),
                interval(low, high),
                points(file["test_accuracy"] - accuracy, 2),
                p_value(file["p"]),
                percent(file["same_class"]),
                milliseconds(file["milliseconds"]),
            ]
        )
    device = known["files"][0]["device"] if known["files"] else ""
    head = f"Stored|File|{val}|{test}|95 % interval|Difference, points|McNemar p|Same class|ms a face"
    return (
        f"## What quantisation costs\n\nThe released model, {escape(row.title)}, as ONNX files that hold everything "
        "from pixels to calibrated probabilities. Each file was scored itself; time is that of one face in one thread, "
        f"the least of 30 runs on {escape(device)}. `python benchmark.py export --release` measures it.\n\n"
        f"{table(head, body, right=[1, 2, 3, 5, 7, 8])}"
    )
