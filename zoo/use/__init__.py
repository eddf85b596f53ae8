"""The released model on pictures: faces and their expressions. It needs numpy, Pillow and onnxruntime alone.

from zoo.use import Recognizer

recognise = Recognizer()
for face in recognise("party.jpg"):
    print(face.expression, face.probability, face.doubts)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.use.errors import NoDetector, NoModel, NoSource, Unreadable
    from zoo.use.face import Answer, Face
    from zoo.use.recognizer import Recognizer

__all__ = ["Answer", "Face", "NoDetector", "NoModel", "NoSource", "Recognizer", "Unreadable"]

_HOME = {"Answer": "face", "Face": "face", "Recognizer": "recognizer"}
"""The module of each name, imported when the name is first used; all others are errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'zoo.use' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"zoo.use.{_HOME.get(name, 'errors')}"), name)
