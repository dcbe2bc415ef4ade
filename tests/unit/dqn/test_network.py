"""The network: its weights, and whose they may become."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dqn.algorithm.network import QNetwork


def made(seed: int, hidden: tuple[int, ...] = (16,)) -> QNetwork:
    network = QNetwork(8, 4, hidden)
    network.initialise(seed)
    return network


def flat(network: QNetwork) -> torch.Tensor:
    return network.flat.clone()


def as_module(network: QNetwork) -> torch.nn.Sequential:
    """Make what torch would have, with the same weights."""
    layers: list[torch.nn.Module] = []
    for name, array in network.weights().items():
        if name.endswith("weight"):
            layers += [torch.nn.Linear(*array.shape[::-1]), torch.nn.ReLU()]
    module = torch.nn.Sequential(*layers[:-1])
    tensors = {
        name.removeprefix("layers."): torch.from_numpy(array.copy())
        for name, array in network.weights().items()
    }
    module.load_state_dict(tensors)
    return module


@pytest.mark.parametrize("hidden", [(16,), (16, 16), (5, 7, 9)])
def test_estimates_and_gradient_are_those_of_torch(
    hidden: tuple[int, ...],
) -> None:
    network = made(1, hidden)
    module = as_module(network)
    obs, slope = torch.randn(30, 8), torch.randn(30, 4)
    *inputs, q = network.trace(obs)
    gradient = torch.full_like(network.flat, 7)
    network.backward(inputs, slope, network.split(gradient))
    expected = module(obs)
    expected.backward(slope)
    assert torch.allclose(q, expected, atol=1e-6)
    found = network.named(gradient)
    for name, parameter in module.named_parameters():
        of_torch = parameter.grad
        assert of_torch is not None
        mine = torch.from_numpy(found[f"layers.{name}"])
        assert torch.allclose(mine, of_torch, atol=1e-5), name


def test_weights_are_drawn_as_torch_does() -> None:
    network = made(4, (64, 64))
    weights = {n: a for n, a in network.weights().items() if a.size > 4}
    for name, array in weights.items():
        bound = (8 if ".0." in name else 64) ** -0.5
        assert 0.9 * bound < np.abs(array).max() <= bound, name


def test_equal_seeds_give_equal_weights_whatever_was_drawn_before() -> None:
    first = made(1)
    torch.rand(100)
    assert torch.equal(flat(first), flat(made(1)))
    assert not torch.equal(flat(first), flat(made(2)))


def test_drawing_weights_leaves_the_generator_of_torch_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    network = QNetwork(8, 4, (16,))
    torch.manual_seed(5)
    network.initialise(1)
    assert torch.equal(torch.rand(3), expected)


def test_the_best_action_of_each_row_is_taken() -> None:
    network = made(3)
    obs = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    q = network(torch.from_numpy(obs))
    assert network.act(obs).tolist() == q.argmax(1).tolist()
    assert len(set(network.act(obs).tolist())) > 1


def test_weights_are_taken_over_by_copy() -> None:
    first, second = made(1), made(2)
    second.load(first.weights())
    assert torch.equal(flat(first), flat(second))
    first.weights()["layers.0.bias"][:] = 5
    assert not torch.equal(flat(first), flat(second))


@pytest.mark.parametrize("hidden", [(16, 16), (17,), (16, 16, 16)])
def test_weights_of_another_network_are_refused(
    hidden: tuple[int, ...],
) -> None:
    network = made(1)
    before = flat(network)
    with pytest.raises(ValueError, match="the network has"):
        network.load(made(1, hidden).weights())
    assert torch.equal(flat(network), before)
