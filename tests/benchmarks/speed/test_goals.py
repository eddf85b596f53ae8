"""What the report of the speed benchmarks says of missed targets, and of those that nothing has measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.speed import goals as targets
from benchmarks.speed import report, tracks
from benchmarks.speed.goals import not_measured, shortfalls
from benchmarks.speed.records import Comparison, Record
from zoo import registry

CPU, GPU = "AMD EPYC, 2 cores", "NVIDIA H100 80GB HBM3"


def record(script: str, *comparisons: Comparison, title: str = "", device: str = "cpu", hardware: str = CPU) -> Record:
    return Record(script, title or script, hardware, {"Python": "3.11"}, "abc", list(comparisons), device)


MISSED = Comparison("Augmentation", "images/s", 80.0, "PIL", 10.0, target=10.0)
ROOFLINE = record(
    "roofline",
    Comparison("Augmentation", "images/s", 80.0, "bound of augmentation", 160.0, bounded_by="memory 97 %"),
    Comparison("Augmentation", "images/s", 80.0, "arithmetic of augmentation", 8000.0),
    Comparison("vgg_fer, batch 256", "images/s", 30.0, "bound of inference", 60.0, bounded_by="memory 60 %"),
    Comparison("vgg_fer, 48x48", "images/s", 75.0, "bound of a training step", 100.0, bounded_by="arithmetic 86 %"),
)


def test_a_missed_ratio_is_said_with_its_bound():
    missed = record("input_pipeline", MISSED)
    assert shortfalls(missed, [missed, ROOFLINE]) == [
        "Augmentation: 8 of 10 times as fast as PIL, 20 % short. By the roofline, 50 % of the bound of augmentation "
        "(memory 97 %) is reached; all of it would be 16 times."
    ]


def test_a_bound_that_is_far_away_does_not_bind():
    slow = record("input_pipeline", replace(MISSED, what="Slow"))
    far = Comparison("Slow", "images/s", 80.0, "bound of augmentation", 2000.0, bounded_by="memory 97 %")
    (sentence,) = shortfalls(slow, [slow, record("roofline", far)])
    assert "4 % of the bound" in sentence and "would be 200 times. Neither resource binds it yet" in sentence


def test_without_a_bound_on_the_same_hardware_only_the_shortfall_is_said():
    missed = record("input_pipeline", MISSED)
    alone = ["Augmentation: 8 of 10 times as fast as PIL, 20 % short."]
    assert shortfalls(missed, [missed]) == alone
    assert shortfalls(missed, [missed, replace(ROOFLINE, hardware=GPU)]) == alone
    assert shortfalls(record("other", replace(MISSED, what="Another")), [ROOFLINE])[0].endswith("20 % short.")


def test_a_reached_target_and_a_figure_without_one_need_no_sentence():
    fine = record("x", replace(MISSED, target=8.0), replace(MISSED, target=None), Comparison("y", "s", 0.3, target=0.4))
    assert shortfalls(fine, [fine, ROOFLINE]) == []


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (Comparison("a", "s", 0.5, target=0.4), "a: 0.5 s against 0.4 s, 0.1 s too much."),
        (Comparison("a", "GB", 5.0, target=4.0), "a: 5 GB against 4 GB, 1 GB too much."),
        (Comparison("a", "%", 69.0, target=70.0), "a: 69 % against 70 %, 1 points short."),
        (Comparison("a", "s", 0.2, "peer", 1.0, target=10.0), "a: 5 of 10 times as fast as peer, 50 % short."),
    ],
)
def test_figures_fall_short_in_their_own_units(figure: Comparison, said: str):
    assert shortfalls(record("x", figure), []) == [said]


def test_a_tracks_clock_is_bounded_by_the_training_step_of_its_member_and_its_accuracy_by_nothing():
    assert tracks.TRACKS["T66"].member == "vgg_fer@muon", "whose step is vgg_fer's but for the optimizer"
    run = record(
        "tracks",
        Comparison("T66, accuracy on PublicTest", "%", 65.0, target=66.0),
        Comparison("T66, wall clock", "s", 1000.0, target=900.0),
        title="T66: 66 %",
    )
    accuracy, clock = shortfalls(run, [run, ROOFLINE])
    assert accuracy.endswith("1 points short.")
    assert clock.endswith(
        "75 % of the bound of a training step (arithmetic 86 %) is reached; all of it would be 750 s."
    )


def test_what_is_not_measured_follows_the_records():
    def awaited(*records: Record) -> set[str]:
        return {target.what.partition(":")[0] for target in not_measured(records)}

    everything = awaited()
    assert {*tracks.TRACKS, "Augmentation at 100 times the PIL loader on a GPU"} < everything
    met, clock = Comparison("T63, accuracy", "%", 64.0, target=63.0), Comparison("T63, clock", "s", 1.0, target=2.0)
    fast = replace(met, what="T70, accuracy")
    on_a_cpu = [record(script, fast, title="T70: 70 %") for script in ("input_pipeline", "roofline", "tracks")]
    assert awaited(*on_a_cpu) == everything, "these targets are a GPU's"
    assert everything - awaited(record("tracks", met, clock, title="T63: 63 %")) == {"T63"}
    assert awaited(record("tracks", clock, title="T63: 63 %")) == everything, "a clock without an accuracy says little"
    for script, title, what in (
        ("tracks", "T70: 70 %", "T70"),
        ("input_pipeline", "", "Augmentation at 100 times the PIL loader on a GPU"),
        ("roofline", "", "30 % of a GPU's nominal peak (MFU) in a training step"),
    ):
        assert everything - awaited(record(script, fast, title=title, device="cuda", hardware=GPU)) == {what}
    some = record("startup", Comparison("benchmark.py, leaderboard of 20 members", "s", 5.0, target=10.0))
    assert awaited(some) == everything, "a part of the store is not the store"
    whole = record("startup", Comparison("benchmark.py, leaderboard of all 28 members", "s", 15.0, target=10.0))
    assert len(everything - awaited(whole)) == 1, "measured, if not reached"
    no_target = record("roofline", replace(met, target=None), device="cuda", hardware=GPU)
    assert awaited(no_target) == everything, "another member's step says nothing of the one that has a target"


def test_the_commands_name_members_and_scripts_that_exist():
    from benchmarks.speed import roofline

    commands = [target.command.split() for target in targets.targets()]
    scripts = {"startup", "tracks", "roofline", "input_pipeline"}
    assert {command[2].rpartition(".")[2] for command in commands} == scripts
    (member,) = (command[command.index("--members") + 1] for command in commands if "--members" in command)
    assert registry.is_known(member) and {member: 0.3} == roofline.MFU


def test_the_report_has_sentences_under_the_table_and_the_list_at_the_end():
    missed = record("input_pipeline", MISSED)
    text = report.markdown([missed, ROOFLINE], [], growth=True)
    assert "\n\n- Augmentation: 8 of 10 times as fast as PIL, 20 % short. By the roofline" in text
    assert "| Augmentation | images/s | 80 | bound of augmentation: memory 97 % | 160 | 0.5 |" in text
    assert "The peer is the bound itself" in text
    assert text.index("## Growth") < text.index("## Not measured here\n\n- The leaderboard of all members")
    assert "\n- T63:" in text
    assert "--track T70 --data DIR --json results/speed/T70.json`" in text
    everything = [
        record(
            target.script,
            replace(MISSED, what=target.figure or "x", target=8.0),
            title=target.title,
            device=target.device,
        )
        for target in targets.targets()
    ]
    assert "Not measured" not in report.markdown(everything, [], growth=False)
    assert "short" not in report.markdown([record("x", replace(MISSED, target=8.0))], [], growth=False)
