"""The programs that courses show, small: each must run and be right."""

import os
import random
import time

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


def test_tasks_overlap(api, tmp_path):
    @api.remote
    def meet(i):
        (tmp_path / str(i)).touch()
        while len(os.listdir(tmp_path)) < 4:  # it keeps its CPU
            time.sleep(0.01)
        return i

    refs = [meet.remote(i) for i in range(4)]
    assert api.get(refs, timeout=T) == [0, 1, 2, 3]


def test_results_are_worked_on_in_batches_as_they_come(api):
    @api.remote
    def load(i):
        return list(range(i))

    rest = [load.remote(i) for i in range(20)]
    seen = 0
    while rest:
        count = min(4, len(rest))
        ready, rest = api.wait(rest, num_returns=count, timeout=T)
        seen += sum(len(data) for data in api.get(ready, timeout=T))
    assert seen == sum(range(20))


def test_a_pipeline_of_dependent_steps(api):
    @api.remote
    def load(name):
        return f"{name}: to be or not to be"

    @api.remote
    def count(text):
        return len(text.split())

    @api.remote
    def report(*counts):
        return sum(counts)

    texts = [load.remote(f"part{i}") for i in range(5)]
    ref = report.remote(*[count.remote(text) for text in texts])
    assert api.get(ref, timeout=T) == 35


def test_an_actor_counts_for_many_tasks(api):
    @api.remote
    class Counter:
        def __init__(self):
            self.n = 0

        def increment(self):
            self.n += 1

        def value(self):
            return self.n

    @api.remote
    def work(counter):
        api.get([counter.increment.remote() for _ in range(10)])

    counter = Counter.remote()
    api.get([work.remote(counter) for _ in range(6)], timeout=T)
    assert api.get(counter.value.remote(), timeout=T) == 60


def test_pi_by_sampling_with_progress(api):
    @api.remote
    class Progress:
        def __init__(self, total):
            self.total = total
            self.done = {}

        def report(self, task, samples):
            self.done[task] = samples

        def fraction(self):
            return sum(self.done.values()) / self.total

    @api.remote
    def sample(task, samples, progress):
        rng = random.Random(task)
        inside = sum(
            rng.random() ** 2 + rng.random() ** 2 <= 1 for _ in range(samples)
        )
        api.get(progress.report.remote(task, samples))
        return inside

    tasks, samples = 8, 5_000
    progress = Progress.remote(tasks * samples)
    refs = [sample.remote(i, samples, progress) for i in range(tasks)]
    inside = sum(api.get(refs, timeout=T))
    assert api.get(progress.fraction.remote(), timeout=T) == 1
    assert abs(4 * inside / (tasks * samples) - np.pi) < 0.05


def test_a_tree_reduce_adds_in_pairs(api):
    @api.remote
    def add(x, y):
        return x + y

    values = [api.put(np.full(1000, i)) for i in range(16)]
    while len(values) > 1:
        values = [*values[2:], add.remote(values[0], values[1])]
    total = api.get(values[0], timeout=T)
    np.testing.assert_array_equal(total, np.full(1000, 120))


def test_a_merge_sort_splits_itself(api):
    @api.remote
    def sort(items):
        if len(items) <= 50:
            return sorted(items)
        half = len(items) // 2
        refs = [sort.remote(items[:half]), sort.remote(items[half:])]
        left, right = api.get(refs)
        return sorted([*left, *right])

    items = random.Random(0).sample(range(1000), 200)
    assert api.get(sort.remote(items), timeout=T) == sorted(items)


def test_a_map_reduce_counts_words(api):
    text = "the cat and the dog and the bird " * 20
    words = text.split()

    @api.remote(num_returns=3)
    def map_part(part):
        buckets = [{}, {}, {}]
        for word in part:
            bucket = buckets[len(word) % 3]
            bucket[word] = bucket.get(word, 0) + 1
        return buckets

    @api.remote
    def reduce_part(*tables):
        total = {}
        for table in tables:
            for word, n in table.items():
                total[word] = total.get(word, 0) + n
        return total

    mapped = [map_part.remote(words[i::4]) for i in range(4)]
    reduced = [
        reduce_part.remote(*column) for column in zip(*mapped, strict=True)
    ]
    counts = {}
    for table in api.get(reduced, timeout=T):
        counts |= table
    assert counts == {word: words.count(word) for word in set(words)}


def line_fit(api):
    """Return data, the gradient on a shard, and the weights it has."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    truth = np.array([1.0, -2.0, 0.5])

    def gradient(weights, shard):
        part = slice(shard * 100, (shard + 1) * 100)
        error = x[part] @ weights - x[part] @ truth
        return x[part].T @ error / 100

    return gradient, truth


def server_class(api):
    @api.remote
    class ParameterServer:
        def __init__(self, size, rate):
            self.weights = np.zeros(size)
            self.rate = rate

        def apply(self, *gradients):
            mean = np.mean(gradients, axis=0)
            self.weights = self.weights - self.rate * mean
            return self.weights

        def push(self, gradient):
            self.weights = self.weights - self.rate * gradient

        def pull(self):
            return self.weights

    return ParameterServer


def test_a_synchronous_parameter_server_learns(api):
    gradient, truth = line_fit(api)
    server = server_class(api).remote(3, 0.3)
    compute = api.remote(gradient)
    weights = server.pull.remote()
    for _ in range(40):
        gradients = [compute.remote(weights, shard) for shard in range(4)]
        weights = server.apply.remote(*gradients)
    np.testing.assert_allclose(api.get(weights, timeout=T), truth, atol=1e-3)


def test_an_asynchronous_parameter_server_with_a_task_per_worker(api):
    gradient, truth = line_fit(api)
    server = server_class(api).remote(3, 0.1)

    @api.remote
    def worker(server, shard, rounds):
        for _ in range(rounds):
            weights = api.get(server.pull.remote())
            server.push.remote(gradient(weights, shard))
        return shard

    refs = [worker.remote(server, shard, 60) for shard in range(3)]
    assert api.get(refs, timeout=T) == [0, 1, 2]
    weights = api.get(server.pull.remote(), timeout=T)
    np.testing.assert_allclose(weights, truth, atol=0.1)


def test_a_maze_is_learned_by_parallel_simulations(api):
    size, goal = 4, (3, 3)
    moves = [(0, 1), (1, 0), (0, -1), (-1, 0)]

    def step(state, move):
        row = min(max(state[0] + moves[move][0], 0), size - 1)
        column = min(max(state[1] + moves[move][1], 0), size - 1)
        return (row, column)

    class Policy:
        def __init__(self):
            self.table = {}

        def value(self, state, move):
            return self.table.get((state, move), 0.0)

        def act(self, state, rng, explore):
            if rng.random() < explore:
                return rng.randrange(4)
            return max(range(4), key=lambda m: self.value(state, m))

        def learn(self, steps):
            for state, move, new in reversed(steps):
                best = max(self.value(new, m) for m in range(4))
                target = 1.0 if new == goal else 0.9 * best
                old = self.value(state, move)
                self.table[state, move] = old + 0.5 * (target - old)

    @api.remote
    class Simulation:
        def __init__(self, seed):
            self.rng = random.Random(seed)

        def rollout(self, policy, explore):
            state, steps = (0, 0), []
            while state != goal and len(steps) < 200:
                move = policy.act(state, self.rng, explore)
                new = step(state, move)
                steps.append((state, move, new))
                state = new
            return steps

    simulations = [Simulation.remote(seed) for seed in range(3)]
    policy = Policy()
    for _ in range(15):
        shared = api.put(policy)
        rollouts = [s.rollout.remote(shared, 0.3) for s in simulations]
        for steps in api.get(rollouts, timeout=T):
            policy.learn(steps)
    best = api.get(simulations[0].rollout.remote(policy, 0), timeout=T)
    assert best[-1][2] == goal
    assert len(best) == 6


def test_a_search_starts_a_new_trial_whenever_one_ends(api):
    @api.remote
    def train(config):
        rng = random.Random(config["seed"])
        time.sleep(rng.random() / 50)
        return config, -((config["rate"] - 0.3) ** 2)

    rng = random.Random(1)
    configs = [{"seed": i, "rate": rng.random()} for i in range(20)]
    waiting = iter(configs)
    running = [train.remote(next(waiting)) for _ in range(4)]
    results = []
    while running:
        (ready,), running = api.wait(running, timeout=T)
        results.append(api.get(ready, timeout=T))
        config = next(waiting, None)
        if config:
            running.append(train.remote(config))
    best = max(results, key=lambda result: result[1])[0]
    assert len(results) == 20
    assert best == min(configs, key=lambda c: abs(c["rate"] - 0.3))


def test_a_batch_is_predicted_by_a_pool_of_actors(api):
    @api.remote
    class Predictor:
        def __init__(self, model):
            self.model = model

        def predict(self, batch):
            return batch @ self.model

    model = api.put(np.arange(3.0))
    pool = api.util.ActorPool([Predictor.remote(model) for _ in range(2)])
    batches = [np.full((2, 3), i) for i in range(6)]
    predicted = pool.map(lambda a, batch: a.predict.remote(batch), batches)
    means = [values.mean() for values in predicted]
    assert means == [0, 3, 6, 9, 12, 15]


def test_too_many_tasks_are_held_back_by_wait(api):
    square = api.remote(lambda x: x * x)
    pending, total = [], 0
    for i in range(100):
        if len(pending) == 8:
            ready, pending = api.wait(pending, timeout=T)
            total += sum(api.get(ready, timeout=T))
        pending.append(square.remote(i))
    total += sum(api.get(pending, timeout=T))
    assert total == sum(i * i for i in range(100))
