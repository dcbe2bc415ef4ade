"""The parts of an agent, and the catalog that chooses them: shared here.

    what a game shows ─> preprocessor ─> model ─> distribution ─> action
    a number             one-hot         dense    categorical     a number
    numbers              as they are     lstm     gaussian        numbers
    128 bytes            from -1 to 1
    a picture            small and grey  conv

The spaces of a game say which parts fit. After RLlib of 2017, where these are
`ModelCatalog`, `Preprocessor`, `Model` and `ActionDistribution`.
"""

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical, Independent, Normal

GAMES = {
    "cartpole": ("CartPole-v1", {}),
    "lake": ("FrozenLake-v1", {"is_slippery": False}),
    "pendulum": ("Pendulum-v1", {}),
    "pong": ("ALE/Pong-v5", {}),
}


class AsTheyAre:
    """Numbers go to the network as they are."""

    def __init__(self, space):
        self.shape = space.shape

    def __call__(self, seen):
        """Return float32 numbers of this shape."""
        return np.asarray(seen, np.float32)


class OneHot:
    """One of n things: a one at its place."""

    def __init__(self, space):
        self.shape = (int(space.n),)

    def __call__(self, seen):
        return np.eye(1, self.shape[0], seen, dtype=np.float32)[0]


class Memory(AsTheyAre):
    """The bytes of a machine."""

    def __call__(self, seen):
        return np.asarray(seen, np.float32) / 128 - 1


class Picture:
    """A coloured picture: every fourth point, grey."""

    def __init__(self, space):
        height, width, _ = space.shape
        self.shape = (1, -(-height // 4), -(-width // 4))

    def __call__(self, seen):
        grey = np.asarray(seen, np.float32)[::4, ::4].mean(axis=2)
        return grey[None] / 128 - 1


class Dense(nn.Module):
    """Two layers. It needs no memory, and so hands on what it is given."""

    def __init__(self, shape, outputs, hidden=32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(*shape, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
        )

    def forward(self, x, memory=None):
        """Return (T, outputs) of steps (T, ...), and the memory after."""
        return self.layers(x), memory


class Convolutional(Dense):
    """Two convolutions before a dense layer."""

    def __init__(self, shape, outputs, hidden=16):
        nn.Module.__init__(self)
        self.layers = nn.Sequential(
            nn.Conv2d(shape[0], hidden, 4, 2), nn.ReLU(),
            nn.Conv2d(hidden, hidden, 4, 2), nn.ReLU(),
            nn.Flatten(), nn.LazyLinear(outputs),
        )  # fmt: skip
        self.layers(torch.zeros(1, *shape))  # now it knows its sizes


class Recurrent(nn.Module):
    """An LSTM remembers earlier steps of a game."""

    def __init__(self, shape, outputs, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(*shape, hidden)
        self.last = nn.Linear(hidden, outputs)

    def forward(self, x, memory=None):
        """Return (T, outputs) of steps (T, ...), and the memory after."""
        x, memory = self.lstm(x, memory)
        return self.last(x), memory


class OneOf:
    """Actions that are one of n."""

    def __init__(self, space):
        self.outputs = int(space.n)

    def __call__(self, numbers):
        """Return the distribution of actions that a network means."""
        return Categorical(logits=numbers)


class Gaussian:
    """Actions that are numbers: a mean, and how far it is spread, of each."""

    def __init__(self, space):
        self.outputs = 2 * space.shape[0]

    def __call__(self, numbers):
        mean, log_spread = numbers.chunk(2, dim=-1)
        return Independent(Normal(mean, log_spread.exp()), 1)


class Catalog:
    """Chooses parts: the first that fits. Put one of your own first."""

    def __init__(self):
        def one_of(space):
            return hasattr(space, "n")

        def dimensions(count):
            return lambda what: len(getattr(what, "shape", what)) == count

        self.preprocessors = [  # for what a game shows
            (one_of, OneHot),
            (dimensions(3), Picture),
            (lambda space: space.dtype == np.uint8, Memory),
            (dimensions(1), AsTheyAre),
        ]
        self.models = [  # for the shape of what a preprocessor gives
            (dimensions(3), Convolutional),
            (dimensions(1), Dense),
        ]
        self.distributions = [  # for the actions of a game
            (one_of, OneOf),
            (dimensions(1), Gaussian),
        ]

    def parts(self, game):
        """Return a preprocessor, a model and a distribution for a game."""
        see = first(self.preprocessors, game.observation_space)
        act = first(self.distributions, game.action_space)
        preprocessor = see(game.observation_space)
        distribution = act(game.action_space)
        model = first(self.models, preprocessor.shape)
        outputs = distribution.outputs
        return preprocessor, model(preprocessor.shape, outputs), distribution


def first(kinds, what):
    """Return the first kind of part that fits."""
    for fits, kind in kinds:
        if fits(what):
            return kind
    raise ValueError(f"no part fits {what}: put one of yours first")


class Policy:
    """A game, and the parts that fit it."""

    def __init__(self, name, lstm):
        import gymnasium

        if name == "pong":
            import ale_py

            gymnasium.register_envs(ale_py)
        torch.set_num_threads(1)
        torch.manual_seed(0)
        catalog = Catalog()
        if lstm:
            catalog.models.insert(0, (lambda shape: True, Recurrent))
        game, settings = GAMES[name]
        self.game = gymnasium.make(game, **settings)
        self.chosen = catalog.parts(self.game)
        self.see, self.model, self.distribution = self.chosen

    @torch.no_grad()
    def act(self, seen, memory=None):
        """Return an action by chance, and what to remember."""
        x = torch.tensor(self.see(seen))[None]
        numbers, memory = self.model(x, memory)
        return self.distribution(numbers).sample()[0], memory
