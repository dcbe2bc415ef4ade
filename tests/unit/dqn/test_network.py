"""The network by hand, against torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import huber_loss

from dqn.adam import Adam
from dqn.network import QNetwork


def networks() -> tuple[QNetwork, torch.nn.Sequential]:
    """Make ours and torch's, with the same weights."""
    ours = QNetwork(8, 4, (16, 12))
    ours.initialise(seed=3)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(8, 16),
        torch.nn.ReLU(),
        torch.nn.Linear(16, 12),
        torch.nn.ReLU(),
        torch.nn.Linear(12, 4),
    )
    flat = ours.flat.clone()
    torch.nn.utils.vector_to_parameters(flat, theirs.parameters())
    return ours, theirs


def test_forward_is_what_torch_computes() -> None:
    ours, theirs = networks()
    obs = torch.randn(30, 8)
    assert torch.allclose(ours.forward(obs), theirs(obs), atol=1e-6)


def test_backward_is_what_autograd_computes() -> None:
    ours, theirs = networks()
    obs, target = torch.randn(30, 8), torch.randn(20, 4)
    huber_loss(theirs(obs)[:20], target, reduction="sum").backward()
    expected = torch.cat([p.grad.reshape(-1) for p in theirs.parameters()])
    gradient = QNetwork(8, 4, (16, 12))
    gradient.flat.fill_(7.0)  # it is overwritten, not added to
    slope = (ours.forward(obs)[:20] - target).clamp(-1, 1)
    ours.backward(slope, gradient)
    assert torch.allclose(gradient.flat, expected, atol=1e-5)


def test_adam_is_the_adam_of_torch() -> None:
    start = torch.randn(50)
    mine, reference = start.clone(), torch.nn.Parameter(start.clone())
    ours = Adam(mine, 1e-2)
    theirs = torch.optim.Adam([reference], 1e-2)
    for _ in range(20):
        gradient = torch.randn(50)
        reference.grad = gradient.clone()
        ours.step(gradient)
        theirs.step()
    assert torch.allclose(mine, reference.detach(), atol=1e-6)
    assert not torch.allclose(mine, start, atol=1e-2)


def test_the_layers_are_views_of_one_vector() -> None:
    network = QNetwork(8, 4, (16, 12))
    network.weights()["layer2.bias"][:] = 5
    assert int((network.flat == 5).sum()) == 12


def test_weights_are_taken_over_by_copy() -> None:
    first, second = QNetwork(8, 4, (16,)), QNetwork(8, 4, (16,))
    first.initialise(1)
    second.load(first.weights())
    assert torch.equal(first.flat, second.flat)
    first.flat.zero_()
    assert not torch.equal(first.flat, second.flat)


@pytest.mark.parametrize("hidden", [(16, 16), (17,), (16, 16, 16)])
def test_weights_of_another_network_are_refused(
    hidden: tuple[int, ...],
) -> None:
    network = QNetwork(8, 4, (16,))
    before = network.flat.clone()
    with pytest.raises(ValueError, match="layer1"):
        network.load(QNetwork(8, 4, hidden).weights())
    assert np.array_equal(network.flat.numpy(), before.numpy())
