"""The words of a model's card that are the same for every model, and its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.publish.limits import limits
from benchmarks.results import Results, split_names
from benchmarks.results.schema import Ensemble, Member

Facts = Mapping[str, Any]

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


IMAGES_APART = "The images are not part of it, and their terms are their own."


def start_terms(facts: Facts) -> list[str]:
    """Return a sentence for each kind of trained weights that members start from and that binds whoever uses them."""
    return list(dict.fromkeys(member["terms"] for member in facts["members"] if "terms" in member))


def what_it_is_not(facts: Facts, results: Results) -> str:
    """Return what the model must not be taken for, nor used for."""
    crop, summary, noise = facts["crop"], results.get("summary"), ""
    if summary is not None and (votes := summary["label_noise"]) is not None:
        share = f"{100 * votes['most_by_label']['value']:.0f} %"
        noise = f" (a later panel of {votes['annotators']} gives the same word to only {share} of the test pictures)"
    picture = f"{crop['size']}x{crop['size']} {'grey' if crop['colour'] == 'grey' else 'colour'}"
    paragraphs = limits(len(facts["classes"]), picture, facts["origin"] + noise, results["title"])
    return "\n\n".join(paragraphs)


def how_to_cite(facts: Facts, results: Results) -> str:
    """Return what a publication should name."""
    return CITE.format(name=facts["name"], code=facts["code_version"], title=results["title"])


def quoted(text: str) -> str:
    """Return text as YAML has it, which takes what JSON does."""
    return json.dumps(text, ensure_ascii=False)


def header(facts: Facts, results: Results, row: Member | Ensemble) -> str:
    """Return the header that hubs of models read, as YAML."""
    _, _, test = split_names(results)
    accuracy = facts["measured"]["test_accuracy"] if "measured" in facts else row["test_accuracy"]
    low, high = facts["measured"]["test_interval"] if "measured" in facts else row["test_interval"]
    return f"""\
---
license: {"other" if facts["restricted"] or start_terms(facts) else "mit"}
library_name: onnx
pipeline_tag: image-classification
tags: [facial-expression-recognition, onnx, {results["suite"]}]
model-index:
- name: {quoted(facts["name"])}
  results:
  - task: {{type: image-classification}}
    dataset: {{name: {quoted(results["title"])}, type: {results["suite"]}, split: {quoted(test)}}}
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
