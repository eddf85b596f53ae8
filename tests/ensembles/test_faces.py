"""What stands before the methods: names of the package, scikit-learn's manners, aliases, refusal of probabilities."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold, cross_validate

import ensembles
from ensembles import registry
from ensembles.affect.base import AffectEnsembler, AffectMean, AffectStacking, AffectWeights
from ensembles.aliases import ALIASES
from ensembles.arrays import softmax
from ensembles.base import Ensembler
from ensembles.checks import check_logits
from ensembles.streaming import StackedMembers
from ensembles.voting import Uniform

NAMES = ensembles.names()
OPTIONS = [(name, field.name) for name in NAMES for field in fields(ensembles.get(name))]  # type: ignore[arg-type]


def make(samples: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(samples) % 4
    shared = 2.0 * np.eye(4)[targets] + rng.normal(size=(samples, 4))
    return (shared + rng.normal(size=(3, samples, 4))).astype(np.float32), targets


# Names of the package


@pytest.mark.parametrize("name", NAMES)
def test_every_class_is_an_attribute_of_the_package(name: str):
    kind = ensembles.get(name)
    assert getattr(ensembles, kind.__name__) is kind
    assert kind.__name__ in dir(ensembles)


def test_a_class_that_registers_later_is_one_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))

    @ensembles.register
    @dataclass
    class Later(Uniform):
        name: ClassVar[str] = "later"

    assert ensembles.Later is Later and "Later" in dir(ensembles)


def test_all_names_of_the_face_exist_and_an_unknown_one_is_told():
    assert all(hasattr(ensembles, name) for name in ensembles.__all__) and set(ensembles.__all__) <= set(dir(ensembles))
    for wrong, right in (
        ("Gredy", "Greedy"),
        ("SoftVoting", "Uniform"),
        ("caruana", "GreedyBagged"),
        ("sarch", "search"),
    ):
        with pytest.raises(AttributeError, match=rf"no attribute '{wrong}'; did you mean .*\b{right}\b"):
            getattr(ensembles, wrong)


@pytest.mark.parametrize("first", ["", "import ensembles.search, ensembles.persistence\n"])
def test_search_is_the_function_in_whatever_order_things_are_imported(first: str):
    code = first + (
        "import ensembles\n"
        "from ensembles.search import search, choose, SearchResult\n"
        "from ensembles.persistence import load, save\n"
        "import ensembles.search\n"
        "assert ensembles.search is search and ensembles.choose is choose and ensembles.load is load\n"
        "assert ensembles.save is save and ensembles.SearchResult is SearchResult\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(ensembles.__file__).parents[1], check=True)


def test_the_face_fits_searches_saves_and_loads(tmp_path: Path):
    logits, targets = make()
    headline = ensembles.choose(ensembles.search(logits, targets, ["uniform", "greedy"], repeats=1))
    assert isinstance(headline, ensembles.SearchResult) and headline.ensembler is not None
    ensembles.save(headline.ensembler, str(tmp_path / "headline"))
    assert ensembles.load(str(tmp_path / "headline")).score(logits, targets) == headline.fit_accuracy


# scikit-learn's manners


@pytest.mark.parametrize("name", NAMES)
def test_predict_is_the_most_probable_class_and_score_its_accuracy(name: str):
    fitted = ensembles.create(name).fit(*make())
    logits, targets = make(seed=1)
    predicted = fitted.predict(logits)
    assert predicted.dtype == np.int64
    np.testing.assert_array_equal(predicted, fitted.predict_proba(logits).argmax(axis=1))
    score = fitted.score(logits, targets)
    assert type(score) is float and score == np.mean(predicted == targets) and 0.5 < score < 1


@pytest.mark.parametrize("name", [name for name in NAMES if ensembles.get(name).takes_features])
def test_features_reach_predict_and_score(name: str):
    logits, targets = make()
    features = np.random.default_rng(0).normal(size=(120, 2))
    fitted = ensembles.create(name).fit(logits, targets, features=features)
    predicted = fitted.predict(logits, features=features)
    assert fitted.score(logits, targets, features=features) == np.mean(predicted == targets)
    with pytest.raises(ValueError, match="fitted on 2 features, got none"):
        fitted.predict(logits)


def test_score_names_bad_targets_and_predict_asks_for_fit():
    logits, targets = make()
    fitted = Uniform().fit(logits, targets)
    for wrong, got in ((targets[:-1], r"int64 \[119\]"), (np.eye(4)[targets], r"float64 \[120, 4\]")):
        with pytest.raises(ValueError, match=rf"integers of the shape \[120\], got {got}"):
            fitted.score(logits, wrong)
    with pytest.raises(ValueError, match="uniform is not fitted"):
        Uniform().predict(logits)


@pytest.mark.parametrize("name", NAMES)
def test_a_clone_has_the_options_and_nothing_fitted(name: str):
    logits, targets = make()
    original = ensembles.create(name, **({"random_state": 3} if (name, "random_state") in OPTIONS else {}))
    copy = clone(original.fit(logits, targets))
    assert type(copy) is type(original) and copy == original and copy is not original
    assert set(vars(copy)) == set(copy.get_params()) == {field.name for field in fields(type(copy))}  # type: ignore[arg-type]
    assert copy.fit(logits, targets).predict_proba(logits).tobytes() == original.predict_proba(logits).tobytes()


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_is_set_and_read_by_its_name(name: str, option: str):
    value = object()
    ensembler = ensembles.create(name)
    assert ensembler.set_params(**{option: value}) is ensembler
    assert ensembler.get_params()[option] is ensembler.get_params(deep=False)[option] is value


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_told_and_nothing_is_set(name: str):
    ensembler = ensembles.create(name)
    with pytest.raises(ValueError, match="has no option 'colour'; its options: "):
        ensembler.set_params(colour=1, **dict.fromkeys(ensembler.get_params(), 99))
    assert ensembler == ensembles.create(name)


def test_a_near_option_is_named():
    with pytest.raises(ValueError, match=r"Greedy has no option 'step'; did you mean steps\?"):
        ensembles.Greedy().set_params(step=3)


def test_a_grid_of_options_is_fitted_from_one_prototype():
    logits, targets = make()
    prototype = ensembles.create("greedy")
    fits = [clone(prototype).set_params(**options).fit(logits, targets) for options in ParameterGrid({"steps": [1, 5]})]
    assert [fit.steps for fit in fits] == [1, 5]
    assert (
        fits[0].predict_proba(logits).tobytes()
        == ensembles.Greedy(1).fit(logits, targets).predict_proba(logits).tobytes()
    )


@pytest.mark.parametrize("kind", [AffectMean, AffectWeights, AffectStacking])
def test_ensemblers_of_valence_and_arousal_are_cloned_too(kind: type[AffectEnsembler]):
    rng = np.random.default_rng(0)
    fitted = kind().fit(rng.uniform(-1, 1, (3, 40, 2)), rng.uniform(-1, 1, (40, 2)))
    assert clone(fitted) == kind() == kind().set_params(**fitted.get_params())


@pytest.mark.parametrize("name", NAMES)
def test_a_repr_is_the_call_that_makes_an_equal_one(name: str):
    kind = ensembles.get(name)
    assert repr(kind()) == f"{kind.__name__}()"
    for field in fields(kind):  # type: ignore[arg-type]
        changed = kind(**{field.name: (0.5,) if isinstance(field.default, tuple) else "changed"})
        assert repr(changed) == f"{kind.__name__}({field.name}={getattr(changed, field.name)!r})"
        assert eval(repr(changed), {kind.__name__: kind}) == changed


def test_a_class_may_have_a_repr_of_its_own():
    @dataclass
    class Own(Uniform):
        def __repr__(self) -> str:
            return "own"

    assert repr(Own()) == "own" and repr(AffectWeights("ccc")) == "AffectWeights(objective='ccc')"


@pytest.mark.parametrize("name", NAMES)
def test_model_selection_cross_validates_every_method(name: str):
    logits, targets = make()
    samples = ensembles.samples_first(logits)
    assert np.shares_memory(samples, logits) and samples.shape == (120, 3, 4)
    folds = StratifiedKFold(3)
    found = cross_validate(ensembles.create(name), samples, targets, cv=folds, scoring=["accuracy", "neg_log_loss"])
    for number, (fit, held_out) in enumerate(folds.split(targets, targets)):
        fitted = ensembles.create(name).fit(logits[:, fit], targets[fit])
        assert found["test_accuracy"][number] == fitted.score(logits[:, held_out], targets[held_out])
        assert np.isfinite(found["test_neg_log_loss"][number])


def test_a_grid_search_ends_in_a_fitted_ensembler():
    logits, targets = make()
    grid = GridSearchCV(ensembles.Greedy(), {"steps": [1, 3], "metric": ["accuracy", "log_loss"]}, n_jobs=2)
    best = grid.fit(ensembles.samples_first(logits), targets).best_estimator_
    assert grid.best_params_ == {name: best.get_params()[name] for name in ("steps", "metric")}
    np.testing.assert_array_equal(best.predict_proba(logits), grid.predict_proba(ensembles.samples_first(logits)))
    assert is_classifier(best) and best.classes_.tolist() == [0, 1, 2, 3]


def test_samples_first_is_the_same_to_the_bit_and_asks_for_three_axes():
    logits, targets = make()
    for name in ("uniform", "super_learner", "gating"):
        one = ensembles.create(name).fit(logits, targets)
        other = ensembles.create(name).fit(ensembles.samples_first(logits), targets)
        assert one.predict_proba(logits).tobytes() == other.predict_proba(ensembles.samples_first(logits)).tobytes()
    with pytest.raises(ValueError, match=r"shape \[members, samples, classes\], got \[120, 4\]"):
        ensembles.samples_first(logits[0])
    with pytest.raises(AttributeError):
        _ = Uniform().classes_


# Aliases


def test_aliases_name_what_is_registered_and_hide_nothing():
    assert {name for names in ALIASES.values() for name in names} <= set(NAMES)
    assert not set(ALIASES) & set(NAMES)


@pytest.mark.parametrize(("alias", "names"), ALIASES.items())
def test_an_alias_says_the_name_here(alias: str, names: tuple[str, ...]):
    with pytest.raises(ensembles.UnknownEnsemblerError, match=f"'{alias}'; here it is called {' or '.join(names)}$"):
        ensembles.create(alias)


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("Soft Voting", "uniform"),
        ("hard-voting", "hard_vote"),
        ("TopK", "top_k"),
        ("KnoraUnion", "knora_u"),
        ("GREEDY", "greedy"),
        ("VotingClassifier", "uniform or hard_vote"),
    ],
)
def test_spelling_and_names_of_classes_are_understood(spelled: str, name: str):
    with pytest.raises(ensembles.UnknownEnsemblerError, match=f"here it is called {name}$"):
        ensembles.get(spelled)
    with pytest.raises(ensembles.UnknownEnsemblerError, match=f"here it is called {name}$"):
        ensembles.search(*make(), [spelled])


# Probabilities where logits are due


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_are_refused_with_the_way_out(name: str):
    logits, targets = make()
    for given in (softmax(logits), softmax(logits).astype(np.float16), softmax(logits).round(4)[:, :10]):
        with pytest.raises(ValueError, match=r"are probabilities.*take logarithms, np\.log\("):
            ensembles.create(name).fit(given, targets[: given.shape[1]])
    probabilities = softmax(logits)
    fitted = ensembles.create(name).fit(np.log(np.maximum(probabilities, 1e-7)), targets)
    with pytest.raises(ValueError, match="are probabilities"):
        fitted.predict_proba(probabilities)


def test_probabilities_in_files_and_in_a_search_are_refused():
    logits, targets = make()
    with pytest.raises(ValueError, match="are probabilities"):
        check_logits(StackedMembers(list(softmax(logits))))
    with pytest.raises(ValueError, match="are probabilities"):
        ensembles.search(softmax(logits), targets)


def real_logits() -> dict[str, np.ndarray]:
    """Logits that look like probabilities in part, and yet are none."""
    logits, _ = make()
    probabilities = softmax(logits)
    one_row_off, negative = probabilities.copy(), probabilities.copy()
    one_row_off[2, 119] += 1e-3  # in each of four classes
    negative[2, 119] = [1.1, -0.1, 0.0, 0.0]
    return {
        "one member of three": np.concatenate([probabilities[:2], logits[2:]]),
        "last row sums to 1.004": one_row_off,
        "last row has a negative": negative,
        "log-probabilities": np.log(probabilities),
        "all zero": np.zeros((3, 120, 4)),
        "all equal, and rows sum to one": np.full((3, 120, 4), 0.25),
        "one class, always": np.tile([1.0, 0.0, 0.0, 0.0], (3, 120, 1)),
        "each member constant": np.tile(probabilities[:, :1], (1, 120, 1)),
        "one sample": probabilities[:, :1],
        "nine rows": probabilities[:, :3],
        "two classes of opposite sign": np.stack([logits[..., 0], -logits[..., 0]], axis=-1),
    }


@pytest.mark.parametrize("kind", real_logits())
def test_real_logits_are_never_refused(kind: str):
    logits = real_logits()[kind]
    assert check_logits(logits) is logits


def test_random_heads_are_never_refused():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        members, samples, classes = rng.integers(1, 4), rng.integers(1, 6), rng.integers(2, 9)
        check_logits(np.abs(rng.normal(scale=1 / classes, size=(members, samples, classes))))


def test_an_ensembler_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Ensembler()
