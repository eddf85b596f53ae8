"""Names that papers and libraries use for the ensemblers here.

`get` and `create` do not accept them, because a name stands in results, files and tables, and each method has one. The
error for an alias says which name is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

ALIASES: dict[str, tuple[str, ...]] = {
    "soft_voting": ("uniform",),
    "averaging": ("uniform",),
    "average": ("uniform",),
    "mean": ("uniform",),
    "simple_average": ("uniform",),
    "deep_ensemble": ("uniform",),
    "hard_voting": ("hard_vote",),
    "majority_vote": ("hard_vote",),
    "majority_voting": ("hard_vote",),
    "plurality": ("hard_vote",),
    "voting": ("uniform", "hard_vote"),
    "voting_classifier": ("uniform", "hard_vote"),
    "borda_count": ("borda",),
    "geometric_mean": ("log_pool",),
    "product_of_experts": ("log_pool_weighted",),
    "product_rule": ("log_pool",),
    "logit_averaging": ("log_pool",),
    "linear_pool": ("uniform", "weighted"),
    "temperature_scaling": ("linear_pool_calibrated", "log_pool_calibrated"),
    "best": ("best_single",),
    "single_best": ("best_single",),
    "topk": ("top_k",),
    "top_n": ("top_k",),
    "weighted_average": ("weighted",),
    "weighted_averaging": ("weighted",),
    "weighted_voting": ("weighted",),
    "blending": ("weighted", "stack_logistic"),
    "stacked_weights": ("weighted",),
    "caruana": ("greedy", "greedy_bagged"),
    "ensemble_selection": ("greedy", "greedy_bagged"),
    "greedy_selection": ("greedy",),
    "greedy_ensemble": ("greedy",),
    "hill_climbing": ("greedy",),
    "bagged_selection": ("greedy_bagged",),
    "exhaustive": ("best_subset",),
    "exhaustive_search": ("best_subset",),
    "brute_force": ("best_subset",),
    "pruning": ("pruned",),
    "bayesian_model_averaging": ("bma",),
    "nnls": ("super_learner",),
    "non_negative_least_squares": ("super_learner",),
    "classwise_weights": ("classwise",),
    "stacking": ("stack_logistic", "stack_mlp", "stack_xgboost"),
    "stacking_classifier": ("stack_logistic", "stack_mlp", "stack_xgboost"),
    "stacked_generalization": ("stack_logistic",),
    "meta_learner": ("stack_logistic", "stack_mlp", "stack_xgboost"),
    "logistic_regression": ("stack_logistic",),
    "mlp": ("stack_mlp",),
    "xgboost": ("stack_xgboost",),
    "mixture_of_experts": ("gating",),
    "moe": ("gating",),
    "dynamic_selection": ("knora_e", "knora_u"),
    "des": ("knora_e", "knora_u"),
    "knora": ("knora_e", "knora_u"),
}
"""A name as others write it: the registered names that it may mean, the likeliest first."""


def meant(name: str, registered: Mapping[str, type]) -> list[str]:
    """Return the registered names that `name` stands for.

    It may be another spelling of one (case, hyphens, blanks and underscores do not matter), the name of a class, or an
    alias.
    """
    wanted = _plain(name)
    spelled = [key for key, ensembler in registered.items() if wanted in (_plain(key), _plain(ensembler.__name__))]
    aliased = next((names for alias, names in ALIASES.items() if _plain(alias) == wanted), ())
    return spelled or [key for key in aliased if key in registered]


def hint(name: str, registered: Mapping[str, type]) -> str:
    """Return what to write instead of `name`, which is not registered: what it means, near matches, or all names."""
    if names := meant(name, registered):
        return f"here it is called {' or '.join(names)}"
    near = get_close_matches(name, registered, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(registered)}"


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
