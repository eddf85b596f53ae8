"""The summary's part on the data itself: what duplicates are worth, and what label noise leaves to gain."""

from __future__ import annotations

from benchmarks.formats import escape, interval, percent, points, table
from benchmarks.results import VOTES_COMMAND, Results, split_names
from benchmarks.results.summary import Duplicates, LabelNoise, Mean, PartOfTest, Share

NAMES = {"headline": "The headline", "single": "The best single member"}
NOISE = "## Where label noise puts the ceiling"


def duplicates_section(results: Results) -> str:
    """Compare scores with and without test images that also stand in train; empty where that is not known."""
    overlap = results["summary"]["overlap"]
    if not overlap:
        return ""
    train, _, test = split_names(results)
    first = overlap[0]
    seen, whole = first["seen"]["images"], first["all"]["images"]
    told = [
        f"{NAMES[model['part']]} has {_accuracy(model['all'])} on all, {_accuracy(model['unseen'])} without them and "
        f"{_accuracy(model['seen'])} on them alone: they are worth {_worth(model)} points."
        for model in overlap
    ]
    return (
        f"## What duplicates are worth\n\nThe exact pixels of {seen:,} of {test}'s {whole:,} images also stand in "
        f"{train}. {' '.join(told)}{_members(results)} An image that was collected twice may be an easier one, too: "
        "the comparison does not tell memory from ease. Published results on this split contain the same images."
    )


def _worth(model: Duplicates) -> str:
    low, high = model["worth_interval"]
    return f"{points(model['all']['accuracy'] - model['unseen']['accuracy'], 2)} [{points(low, 2)}, {points(high, 2)}]"


def _accuracy(part: PartOfTest) -> str:
    return f"{percent(part['accuracy'])} % {interval(*part['interval'])}"


def _members(results: Results) -> str:
    """Say the least and the largest gap between the two parts among members."""
    gaps = sorted(
        (row["overlap_accuracy"] - row["unseen_accuracy"], row["title"], row["accuracy"])
        for row in results["audit"]["rows"]
        if row["kind"] == "member" and row["overlap_accuracy"] is not None and row["unseen_accuracy"] is not None
    )
    if len(gaps) < 2:
        return ""
    least, most = (
        f"{points(gap, 1)} points ({escape(title)}, {percent(accuracy)} % on all)"
        for gap, title, accuracy in (gaps[0], gaps[-1])
    )
    return f" The gap between the two parts runs from {least} to {most} among the members."


def noise_section(results: Results) -> str:
    """Compare test labels and annotators' votes; without votes, name the command that adds them."""
    noise = results["summary"]["label_noise"]
    if not noise:
        return f"{NOISE}\n\nNot told here: the store has no votes of FER+ for this data. `{VOTES_COMMAND}` adds them."
    title, test = escape(results["title"]), results["splits"]["test"]["name"]
    label, other, tied = noise["groups"]["label"], noise["groups"]["other"], noise["groups"]["tied"]
    return (
        f"{NOISE}\n\nFor FER+ ([arXiv:1608.01041](https://arxiv.org/abs/1608.01041)) {noise['annotators']} people said "
        f"what each image shows: one of eight expressions, *unknown*, or *not a face*. Their commonest answer is "
        f"{title}'s label on {_share(label['share'])} of {test}, another on {_share(other['share'])}; on "
        f"{_share(tied['share'])} several answers are equally common.\n\n{_groups(noise, title)}\n\n"
        f"{_errors(noise)}{_people(noise, title)}"
    )


def _groups(noise: LabelNoise, title: str) -> str:
    parts, groups = list(noise["titles"]), noise["groups"]
    named = {"is the label": groups["label"], "is another": groups["other"], "is a tie": groups["tied"]}
    body = [
        [
            words, f"{group['images']:,}", *(_cell(group["says_label"][part]) for part in parts),
            None if group is groups["tied"] else _cell(group["says_leader"][parts[0]]),
        ]
        for words, group in named.items()
        if group["images"]
    ]  # fmt: skip
    models = "|".join(f"{NAMES[part]} gives {title}'s label, %" for part in parts)
    head = f"Annotators' commonest answer|Images|{models}|{NAMES[parts[0]]} gives theirs, %"
    return table(head, body, right=set(range(1, 3 + len(parts))))


def _errors(noise: LabelNoise) -> str:
    """Say what the headline's errors are, and its accuracy without those that are beyond dispute."""
    errors = noise["errors"]
    if not errors or errors["shared_of_errors"] is None:
        return ""
    undisputed, shared, unclear = (errors[name] for name in ("undisputed", "shared", "unclear"))
    return (
        f"Of the headline's {errors['all']['hits']:,} errors, {shared['hits']:,} "
        f"({_share(errors['shared_of_errors'])}) are the annotators' commonest answer, and {undisputed['hits']:,} "
        f"({_share(undisputed)} of all images) are on images whose label the annotators share; {unclear['hits']:,} "
        f"are neither. Without the undisputed errors it would have {_share(errors['without_undisputed'])}; any gain "
        "above that is agreement with labels that are not the annotators' commonest answer. "
    )


def _people(noise: LabelNoise, title: str) -> str:
    single, most, others = noise["one_by_label"], noise["most_by_label"], noise["one_by_others"]
    part = next(iter(noise["titles"]))
    lead = noise["lead"][part]
    low, high = (points(bound, 2) for bound in lead["interval"])
    disputed = percent(1.0 - noise["groups"]["label"]["share"]["value"])
    return (
        f"Judged by {title}'s labels, one annotator is right on {_share(single)} and the commonest answer of all "
        f"{noise['annotators']} on {_share(most)} (ties by lot), which leaves {NAMES[part].lower()} at "
        f"{points(lead['value'], 2)} points [{low}, {high}] against it. Judged by the commonest answer of the others, "
        f"one annotator is right on {_share(others)}.\n\nWhat this shows: on {disputed} % of the images the label is "
        "not what most annotators say, so accuracy by these labels measures in part how well the labelling was learnt. "
        "What it does not show: an upper bound, because a way of labelling can be learnt and FER+ has errors of its "
        "own; or that a network reads faces better than people, who were not shown how these labels are given."
    )


def _share(share: Mean) -> str:
    return f"{percent(share['value'])} % {interval(*share['interval'])}"


def _cell(share: Share | None) -> str | None:
    if share is None:
        return None
    return f"{percent(share['value'])} {interval(*share['interval'])}"
