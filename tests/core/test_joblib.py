"""util.joblib: what uses joblib, as scikit-learn does, runs on the cluster."""

import importlib
import os

import joblib
import numpy as np
import pytest

pytestmark = [
    pytest.mark.timeout(90),
    # joblib's own, under Ray's backend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:joblib"),
]


@pytest.fixture(params=[2, -1])
def parallel(request, api):
    module = importlib.import_module(f"{api.__name__}.util.joblib")
    module.register_ray()
    with joblib.parallel_backend("ray", n_jobs=request.param):
        yield joblib.Parallel()


def double(x, plus=0):
    return 2 * x + plus


def test_calls_run_in_other_processes_and_in_order(parallel):
    calls = [joblib.delayed(double)(x, plus=1) for x in range(20)]
    assert parallel(calls) == [2 * x + 1 for x in range(20)]
    pids = parallel(joblib.delayed(os.getpid)() for _ in range(4))
    assert os.getpid() not in pids


def test_what_a_call_raises_is_raised(parallel):
    with pytest.raises(ValueError, match="bad"):
        parallel(joblib.delayed(int)(x) for x in ["1", "bad", "2"])
    assert parallel([joblib.delayed(int)("3")]) == [3]


def test_large_arrays_arrive(parallel):
    array = np.ones(100_000)
    calls = (joblib.delayed(np.dot)(array, factor) for factor in [1.0, 2.0])
    assert [total.sum() for total in parallel(calls)] == [1e5, 2e5]


def test_scikit_learn_searches_on_the_cluster(parallel):
    from sklearn.datasets import load_digits
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import GridSearchCV

    images, labels = load_digits(return_X_y=True)
    grid = {"alpha": [1.0, 1e9]}
    search = GridSearchCV(RidgeClassifier(), grid, cv=2)
    search.fit(images[:200], labels[:200])
    assert search.best_params_ == {"alpha": 1.0}


def test_no_jobs_mean_nothing(api):
    importlib.import_module(f"{api.__name__}.util.joblib").register_ray()
    with joblib.parallel_backend("ray"), pytest.raises(ValueError, match="0"):
        joblib.Parallel(n_jobs=0)([joblib.delayed(abs)(1)])
