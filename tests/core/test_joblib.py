"""util.joblib: what uses joblib, as scikit-learn does, runs on the cluster."""

import importlib
import os
from time import sleep

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
    again = joblib.Parallel()
    assert again([joblib.delayed(int)("3")]) == [3]


def test_what_a_call_before_has_left_does_not_end_the_next(
    api, parallel, monkeypatch
):
    """A `Parallel` that has raised begins anew; until then it looks alive."""
    if api.__name__ == "ray":
        pytest.skip("Ray 2.60 does not wait for what it has ended")
    module = importlib.import_module("minimr.util.joblib.backend")
    counted = module.Backend.effective_n_jobs

    def count_long(self, n_jobs):
        sleep(0.2)  # whoever comes late comes now
        return counted(self, n_jobs)

    for _ in range(3):
        with pytest.raises(ValueError, match="bad"):
            parallel([joblib.delayed(int)("bad"), joblib.delayed(sleep)(60)])
        with monkeypatch.context() as patch:
            patch.setattr(module.Backend, "effective_n_jobs", count_long)
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
