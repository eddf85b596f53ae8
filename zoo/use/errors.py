"""What can go wrong between a picture and an expression: four errors, each with a message that says what to do."""

from __future__ import annotations


class NoModel(ValueError):
    """There is no usable model file; the message says what is wrong with it, or how to get one."""


class NoDetector(ValueError):
    """There is no usable face detector; the message says how to get one, or how to do without."""


class NoSource(ValueError):
    """What was named as a source of pictures is not there, or holds none."""


class Unreadable(ValueError):
    """A source is there, but is no picture that can be read; the message says why."""
