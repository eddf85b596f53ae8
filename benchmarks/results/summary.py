"""What results.json holds for the summary page of a suite: rivals, duplicates, label noise."""

from typing import TypedDict

from benchmarks.results.analyses import Interval


class Rival(TypedDict):
    """What else could have been quoted, and what the headline has above it."""

    part: str
    title: str
    accuracy: float
    difference: float
    difference_interval: Interval
    p: float


class PartOfTest(TypedDict):
    images: int
    accuracy: float
    interval: Interval


class Duplicates(TypedDict):
    """A model on test images whose pixels stand in train, and on the others."""

    part: str
    title: str
    all: PartOfTest
    unseen: PartOfTest
    seen: PartOfTest
    worth_interval: Interval


class Mean(TypedDict):
    value: float
    interval: Interval


class Share(Mean):
    hits: int
    of: int


class VotesGroup(TypedDict):
    """Test images by what most annotators say; how often each model says the label, and says what they do."""

    images: int
    share: Share
    says_label: dict[str, Share | None]
    says_leader: dict[str, Share | None]


class VotesGroups(TypedDict):
    label: VotesGroup
    other: VotesGroup
    tied: VotesGroup


class Errors(TypedDict):
    all: Share
    undisputed: Share
    shared: Share
    unclear: Share
    without_undisputed: Share
    shared_of_errors: Share | None


class Agreement(TypedDict):
    """Test images on whose commonest answer `least` to `most` annotators agree."""

    least: int
    most: int
    images: int
    one_by_label: float
    most_by_label: float
    says_label: dict[str, Share]


class LabelNoise(TypedDict):
    annotators: int
    titles: dict[str, str]
    groups: VotesGroups
    errors: Errors | None
    one_by_label: Mean
    most_by_label: Mean
    one_by_others: Mean
    lead: dict[str, Mean]
    agreement: list[Agreement]
    all: VotesGroup


class Summary(TypedDict):
    """What the page on a suite's results needs beside the scores; `label_noise` where annotators' votes are stored."""

    rivals: list[Rival]
    overlap: list[Duplicates] | None
    label_noise: LabelNoise | None
