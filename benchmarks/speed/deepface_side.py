"""deepface's side of benchmarks.speed.use, run by a Python that has it: requests as JSON lines in, seconds out.

A request is `{"pictures": [paths], "detector": "opencv" or "skip"}`; the answer says how long they took, one after the
other, which is how deepface takes them. Where its weights cannot be fetched, its network keeps random ones: how long it
takes does not depend on them.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

BEGAN = time.perf_counter()


def main() -> None:
    """Answers requests until there are no more; the first line tells how long the import took."""
    from deepface import DeepFace
    from deepface.commons import weight_utils
    from deepface.models.demography.tf import Emotion

    trained = True
    try:
        Emotion.EmotionClient()
    except Exception:  # whatever says that there is no network, or no file
        trained = False
        weight_utils.download_weights_if_necessary = lambda **options: ""
        weight_utils.load_model_weights = lambda model, weight_file: model
    _say({"trained": trained, "seconds": time.perf_counter() - BEGAN})
    for line in sys.stdin:
        request = json.loads(line)
        options = {"actions": ["emotion"], "enforce_detection": False, "silent": True}
        began = time.perf_counter()
        for path in request["pictures"]:
            DeepFace.analyze(img_path=path, detector_backend=request["detector"], **options)
        _say({"seconds": time.perf_counter() - began, "since_start": time.perf_counter() - BEGAN})


def _say(answer: dict[str, Any]) -> None:
    print("ANSWER " + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
