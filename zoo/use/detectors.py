"""Face detectors by name."""

from __future__ import annotations

from collections.abc import Callable

from zoo.use.detections import Detector, Say
from zoo.use.errors import NoDetector

Factory = Callable[[Say, int | None], Detector]
_factories: dict[str, Factory] = {}


def register(name: str) -> Callable[[Factory], Factory]:
    """Make a function that builds a detector known under a name.

    It is handed a function that tells the user a line, and how many threads one call may use (None: all cores).
    """

    def keep(factory: Factory) -> Factory:
        _factories[name] = factory
        return factory

    return keep


@register("blazeface")
def _blazeface(say: Say, threads: int | None) -> Detector:
    from zoo.use.blazeface import blazeface

    return blazeface(say, threads)


@register("mtcnn")
def _mtcnn(say: Say, threads: int | None) -> Detector:
    from zoo.use.mtcnn import mtcnn

    return mtcnn(threads)


def find(name: str, say: Say, threads: int | None = None) -> Detector:
    """Return the detector of a name or of a YuNet file; raise NoDetector, which says what to do."""
    if name.endswith(".onnx"):
        from zoo.use.yunet import YuNet

        return YuNet(name, threads)
    if name not in _factories:
        raise NoDetector(
            f"no detector is called {name!r}: auto, {', '.join(sorted(_factories))}, cropped, or a file of YuNet"
        )
    return _factories[name](say, threads)


def best(say: Say, threads: int | None = None) -> Detector:
    """Return BlazeFace, else MTCNN; raise NoDetector where there is neither."""
    try:
        return find("blazeface", say, threads)
    except NoDetector as error:
        missing = error
    try:
        found = find("mtcnn", say, threads)
    except NoDetector as error:
        raise NoDetector(f"{missing}. {error}. Pictures of one face each need no detector: --faces cropped") from error
    say(f"faces are looked for by MTCNN: {missing}")
    return found
