"""What ten annotators say of the test labels, and how models fare where they agree with them and where they do not.

Label noise by the votes of FER+ (arXiv:1608.01041). It reads test targets, as the audit does, and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmarks.data.ferplus.votes import ANSWERS
from benchmarks.evaluation.models import ScoredModel
from benchmarks.evaluation.significance import mean_interval, wilson_interval
from benchmarks.results.summary import Agreement, Errors, LabelNoise, Mean, Share, VotesGroup

FEWEST = 50  # images: degrees of agreement with fewer are put together with the next one


def label_noise(
    rows: Mapping[str, ScoredModel], targets: np.ndarray, classes: Sequence[str], votes: np.ndarray
) -> LabelNoise:
    """Compare the test labels, models and annotators' votes: `label_noise` of the summary.

    `rows` are the models to judge, by their part (headline, single).

    `votes` [N,10] are counts over ANSWERS. An image's leader is the answer with most votes, where one alone has them.
    `groups` are the images whose leader is the label, another answer, or that have none; `errors` splits the headline's
    errors among them; `agreement` goes by the number of votes for the commonest answer. Raises ValueError where the
    annotators had no name for one of the classes.
    """
    answers = _answers(classes)
    labels, predicted = answers[targets], {part: answers[row.test.argmax(axis=1)] for part, row in rows.items()}
    leader = leaders(votes)
    everyone = np.ones(len(targets), dtype=bool)
    return {
        "annotators": int(votes.sum(axis=1).max()),
        "titles": {part: row.title for part, row in rows.items()},
        "groups": {
            "label": _group(leader == labels, predicted, labels, leader),
            "other": _group((leader >= 0) & (leader != labels), predicted, labels, leader),
            "tied": _group(leader < 0, predicted, labels, leader),
        },
        "errors": _errors(predicted["headline"], labels, leader) if "headline" in predicted else None,
        "one_by_label": _mean(votes_for(votes, labels)),
        "most_by_label": _mean(commonest_is(votes, labels)),
        "one_by_others": _mean(one_by_others(votes)),
        "lead": {part: _mean((said == labels) - commonest_is(votes, labels)) for part, said in predicted.items()},
        "agreement": [
            _degree(least, most, images, votes, predicted, labels) for least, most, images in _degrees(votes)
        ],
        "all": _group(everyone, predicted, labels, leader),
    }


def leaders(votes: np.ndarray) -> np.ndarray:
    """Return the column of the commonest answer of votes [N,A]; -1 where several are equally common."""
    top = votes.max(axis=1, keepdims=True)
    return np.where((votes == top).sum(axis=1) == 1, votes.argmax(axis=1), -1)


def votes_for(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the share of an image's votes [N,A] that its label [N] has: how often an annotator gives it."""
    return votes[np.arange(len(votes)), labels] / votes.sum(axis=1)


def commonest_is(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how often the commonest answer of votes [N,A] is the label [N]: 0, 1, or between for a tie."""
    top = votes == votes.max(axis=1, keepdims=True)
    return top[np.arange(len(votes)), labels] / top.sum(axis=1)


def one_by_others(votes: np.ndarray) -> np.ndarray:
    """Return how often an annotator gives the commonest answer of the others, ties drawn by lot.

    The mean over the annotators of each image, from votes [N,A].
    """
    expected = np.zeros(len(votes))
    for answer in range(votes.shape[1]):
        others = votes.copy()
        others[:, answer] = np.maximum(votes[:, answer] - 1, 0)
        expected += votes[:, answer] * commonest_is(others, np.full(len(votes), answer))
    return expected / votes.sum(axis=1)


def _answers(classes: Sequence[str]) -> np.ndarray:
    missing = [name for name in classes if name not in ANSWERS]
    if missing:
        raise ValueError(f"annotators could not say {', '.join(missing)}, only {', '.join(ANSWERS)}")
    return np.array([ANSWERS.index(name) for name in classes])


def _group(
    images: np.ndarray, predicted: Mapping[str, np.ndarray], labels: np.ndarray, leader: np.ndarray
) -> VotesGroup:
    """Describe a group of images: how many, and how often each model gives the label, and the commonest answer."""
    count = int(images.sum())

    def share_of(right: np.ndarray) -> Share | None:
        return _share(int(right[images].sum()), count) if count else None

    return {
        "images": count,
        "share": _share(count, len(images)),
        "says_label": {part: share_of(said == labels) for part, said in predicted.items()},
        "says_leader": {part: share_of(said == leader) for part, said in predicted.items()},
    }


def _errors(predicted: np.ndarray, labels: np.ndarray, leader: np.ndarray) -> Errors:
    """Split the errors by what most annotators say: the label, the model's answer, or neither.

    Shares are of all images, `shared_of_errors` is of the errors; `without_undisputed` is the accuracy without the
    errors whose label most annotators share.
    """
    wrong = predicted != labels
    undisputed, shared = wrong & (leader == labels), wrong & (leader == predicted)

    def share_of(images: np.ndarray) -> Share:
        return _share(int(images.sum()), len(images))

    return {
        "all": share_of(wrong),
        "undisputed": share_of(undisputed),
        "shared": share_of(shared),
        "unclear": share_of(wrong & ~undisputed & ~shared),
        "without_undisputed": share_of(~wrong | undisputed),
        "shared_of_errors": _share(int(shared.sum()), int(wrong.sum())) if wrong.any() else None,
    }


def _degrees(votes: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield degrees of agreement, least first.

    Each is the least and the most votes of the commonest answer, and which images have so many.
    """
    top = votes.max(axis=1)
    least = int(top.min())
    for number in range(least, int(top.max()) + 1):
        images, above = (top >= least) & (top <= number), top > number
        if above.any() and (images.sum() < FEWEST or above.sum() < FEWEST):
            continue
        yield least, number, images
        least = number + 1


def _degree(
    least: int,
    most: int,
    images: np.ndarray,
    votes: np.ndarray,
    predicted: Mapping[str, np.ndarray],
    labels: np.ndarray,
) -> Agreement:
    """Describe the `images` on whose commonest answer `least` to `most` annotators agree."""
    count = int(images.sum())
    return {
        "least": least,
        "most": most,
        "images": count,
        "one_by_label": float(votes_for(votes[images], labels[images]).mean()),
        "most_by_label": float(commonest_is(votes[images], labels[images]).mean()),
        "says_label": {part: _share(int((said == labels)[images].sum()), count) for part, said in predicted.items()},
    }


def _share(hits: int, count: int) -> Share:
    """Return a share of images, one at least, with its interval."""
    return {"hits": hits, "of": count, "value": hits / count, "interval": wilson_interval(hits, count)}


def _mean(values: np.ndarray) -> Mean:
    return {"value": float(values.mean()), "interval": mean_interval(values)}
