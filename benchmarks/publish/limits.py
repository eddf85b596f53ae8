"""What a model of expressions is not, and must not be used for: one text for the card, the page and the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.use.bundle import Facts


def limits(classes: int | str, picture: str, origin: str, title: str) -> tuple[str, ...]:
    """Return the paragraphs for a model of so many `classes`, that sees such a `picture` and learnt from `origin`.

    `title` is the data set's.
    """
    return (
        f"This model guesses which of {classes} posed-expression words annotators would have chosen for a {picture} "
        f"picture. It does not know what a person feels. It was trained on {origin}; who is in them, of which age, "
        "origin or gender, is not recorded, so that no fairness across groups has been measured or can be claimed.",
        f"Accuracy elsewhere than on {title} is unknown and usually far lower. Do not use it to judge, rank, hire, "
        "grade, police or treat people. In the European Union, inferring emotions of people at work or in education is "
        "prohibited since 2 February 2025 except for medical or safety reasons (Regulation (EU) 2024/1689, Art. "
        "5(1)(f)), and other emotion recognition is high-risk (Annex III 1(c)) with duties to inform (Art. 50).",
        "Ask people before you point it at them.",
    )


LIMITS = limits(
    "seven",
    "48x48 grey",
    "pictures found by a search engine in 2013, labelled by few people (a later panel of ten gives the same word to "
    "only 62 % of them)",
    "FER2013",
)
"""Paragraphs of a model trained on FER2013."""


def limits_of(facts: Facts) -> tuple[str, ...]:
    """Return the paragraphs for a model file, which knows less of its data set than a card does."""
    if facts.suite.startswith("fer2013"):
        return LIMITS
    picture = f"{facts.crop.size}x{facts.crop.size} {'grey' if facts.crop.colour == 'grey' else 'colour'}"
    return limits(len(facts.classes), picture, f"the pictures of {facts.suite}", facts.suite)


IN_ONE_LINE = (
    "The model guesses a word that annotators would have chosen, and does not know what a person feels: do not judge "
    "people by it, and ask them first. At work and in education the European Union prohibits it."
)
