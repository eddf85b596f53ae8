"""The words of a model's card that are the same for every model, and its header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.results import Results, split_names
from benchmarks.results.schema import Ensemble, Member

Facts = Mapping[str, Any]

LIMITS = """\
This model guesses which of {classes} posed-expression words annotators would have chosen for a {size} x {size} \
{colour} picture. It does not know what a person feels. It was trained on {origin}{noise}; who is in \
them, of which age, origin or gender, is not recorded, so that no fairness across groups has been measured or can be \
claimed. Accuracy elsewhere than on {title} is unknown and usually far lower.

Do not use it to judge, rank, hire, grade, police or treat people. In the European Union, inferring emotions of people \
at work or in education is prohibited since 2 February 2025 except for medical or safety reasons (Regulation (EU) \
2024/1689, Art. 5(1)(f)), and other emotion recognition is high-risk (Annex III 1(c)) with duties to inform (Art. 50). \
Ask people before you point it at them."""

CITE = """\
## How to cite

Name the project, the model and the commit: *fer-ensembles, {name}, commit {code}*; and the data set, {title}."""

STORED = {
    "fp32": "float32",
    "fp16": "stored as float16 and computed in float32",
    "int8": "stored as int8 with a scale for each output channel, and computed in float32",
    "int8-static": "int8, as are the activations between layers",
}
"""How weights are kept in a file."""


def words(facts: Facts, results: Results) -> dict[str, Any]:
    """Return what the texts of this module are filled in with."""
    summary, noise = results.get("summary"), ""
    if summary is not None and (votes := summary["label_noise"]) is not None:
        share = f"{100 * votes['most_by_label']['value']:.0f} %"
        noise = f" (a later panel of {votes['annotators']} gives the same word to only {share} of the test pictures)"
    crop = facts["crop"]
    return {
        "classes": len(facts["classes"]),
        "size": crop["size"],
        "colour": "grey" if crop["colour"] == "grey" else "colour",
        "title": results["title"],
        "origin": facts["origin"],
        "noise": noise,
        "name": facts["name"],
        "code": facts["code_version"],
    }


def header(facts: Facts, results: Results, row: Member | Ensemble) -> str:
    """Return the header that hubs of models read, as YAML."""
    _, _, test = split_names(results)
    accuracy = facts["measured"]["test_accuracy"] if "measured" in facts else row["test_accuracy"]
    low, high = facts["measured"]["test_interval"] if "measured" in facts else row["test_interval"]
    return f"""\
---
license: {"other" if facts["restricted"] else "mit"}
library_name: onnx
pipeline_tag: image-classification
tags: [facial-expression-recognition, onnx, {results["suite"]}]
model-index:
- name: "{facts["name"]}"
  results:
  - task: {{type: image-classification}}
    dataset: {{name: "{results["title"]}", type: {results["suite"]}, split: "{test}"}}
    metrics:
    - {{type: accuracy, value: {accuracy:.4f}, name: "accuracy, 95 % interval {100 * low:.1f} to {100 * high:.1f} %"}}
---"""


def use(facts: Facts) -> str:
    """Return how the model is used: by this project, by any runtime, as a network to train further."""
    network = ""
    if facts["row"]["kind"] == "member":
        network = (
            "\n\n```python\nimport zoo\n\n"
            f'network = zoo.create_model("{facts["row"]["name"].partition(" (seed")[0]}", '
            f"num_classes={len(facts['classes'])}, pretrained=True)  # to train further\n```"
        )
    return f"""\
## Use

```sh
python benchmark.py predict party.jpg    # finds faces, cuts them out, says how sure it is
```

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("expression.onnx")
crops = np.zeros((1, 96, 96, 3), dtype=np.uint8)  # RGB faces, cut out as below
probabilities = session.run(None, {{"crops": crops}})[0]
```{network}"""


def not_tested(facts: Facts, results: Results) -> str:
    """Return how fast it is, and what nobody knows of it."""
    unknown = (
        "## What was not tested\n\nGroups of people by age, origin, gender or health; expressions that are not posed "
        "words; pictures of other data sets; video; how errors of the detector change the answers. The accuracies "
        f"above are of faces as they were cut out for {results['title']}."
    )
    if (pace := facts.get("pace")) is None:
        return unknown
    speed = f"{pace['milliseconds']:g} ms a crop on {pace['device']}, in one thread, the least of {pace['runs']} runs."
    return f"## Speed\n\n{speed}\n\n{unknown}"
