"""A maze, who walks in it, and Q-learning: what the programs here share.

    Policy ── action ──> Environment ── state, reward ──> Policy.update
             Simulation.rollout is one game, a list of such steps

After Learning Ray, chapter 3. Nothing in this file knows of processes.
"""

import random


class Discrete:
    """The whole numbers from 0 to n - 1: actions, or states."""

    def __init__(self, n):
        self.n = n

    def sample(self, rng):
        """Return one of them by chance."""
        return rng.randrange(self.n)


class Environment:
    """A square maze. The game is over when all seekers are at the goal.

    Two seekers are one player with two pieces: an action moves both, and a
    state is where both are.
    """

    MOVES = ((1, 0), (0, -1), (-1, 0), (0, 1))  # down, left, up, right

    def __init__(
        self,
        size=5,
        random_start=False,
        hazardous_walls=False,
        obstacles=0,
        random_goal=False,
        seekers=1,
        seed=0,
    ):
        self.rng = random.Random(seed)
        self.size = size
        self.random_start = random_start
        self.hazardous_walls = hazardous_walls
        self.random_goal = random_goal
        # In odd rows and columns: there they never shut a field in, and the
        # way from corner to corner is as short as without them.
        odd = [(r, c) for r in range(1, size, 2) for c in range(1, size, 2)]
        odd = [field for field in odd if field != (size - 1, size - 1)]
        if obstacles > len(odd):
            raise ValueError(f"a maze of this size has at most {len(odd)}")
        self.obstacles = set(self.rng.sample(odd, obstacles))
        self.seekers = [(0, 0)] * seekers
        self.action_space = Discrete(len(self.MOVES) ** seekers)
        pieces = seekers + 1 if random_goal else seekers
        self.state_space = Discrete((size * size) ** pieces)
        self.reset()

    def reset(self):
        """Begin a new game; return the state."""
        last = self.size - 1
        self.goal = self.free_field() if self.random_goal else (last, last)
        self.seekers = [
            self.free_field() if self.random_start else (0, 0)
            for _ in self.seekers
        ]
        return self.state()

    def free_field(self):
        """Return a field without an obstacle, by chance."""
        while True:
            row, column = divmod(self.rng.randrange(self.size**2), self.size)
            if (row, column) not in self.obstacles:
                return row, column

    def state(self):
        """Return the number of where everything is that can move."""
        moving = [*self.seekers, self.goal]
        number = 0
        for row, column in moving if self.random_goal else self.seekers:
            number = number * self.size**2 + row * self.size + column
        return number

    def is_over(self):
        """Return whether all seekers are at the goal."""
        return all(seeker == self.goal for seeker in self.seekers)

    def step(self, action):
        """Move the seekers; return state, reward, and whether it is over."""
        reward = 0
        for i, (row, column) in enumerate(self.seekers):
            action, move = divmod(action, len(self.MOVES))
            field = row + self.MOVES[move][0], column + self.MOVES[move][1]
            if self.seekers[i] == self.goal:
                continue  # it has arrived, and waits for the other
            if not all(0 <= place < self.size for place in field):
                reward -= 100 if self.hazardous_walls else 0
            elif field not in self.obstacles:
                self.seekers[i] = field
        return self.state(), reward + self.is_over(), self.is_over()

    def render(self, walked=()):
        """Return a drawing: S seekers, G goal, # obstacles, o was here."""
        signs = dict.fromkeys(walked, "o") | dict.fromkeys(self.obstacles, "#")
        signs |= {self.goal: "G"} | dict.fromkeys(self.seekers, "S")
        side = range(self.size)
        rows = [" ".join(signs.get((r, c), ".") for c in side) for r in side]
        return "\n".join(rows)


class Policy:
    """What each action was worth in each state, and what to do therefore."""

    def __init__(self, environment):
        self.action_space = environment.action_space
        self.table = [  # {state: {action: value}}, as lists
            [0.0] * environment.action_space.n
            for _ in range(environment.state_space.n)
        ]

    def action(self, state, rng, explore):
        """Return the best action, or now and then any."""
        if rng.random() < explore:
            return self.action_space.sample(rng)
        values = self.table[state]
        best = max(values)
        return rng.choice([a for a, v in enumerate(values) if v == best])

    def update(self, game, weight=0.5, discount=0.9):
        """Learn from the steps of a game: Q-learning (Watkins, 1989)."""
        for state, action, reward, new in game:
            target = reward + discount * max(self.table[new])
            old = self.table[state][action]
            self.table[state][action] = (1 - weight) * old + weight * target


class Simulation:
    """A maze of its own, in which games are played by a policy."""

    def __init__(self, settings, seed):
        self.environment = Environment(**settings)
        # From here on by chance, but the obstacles are the same everywhere.
        self.environment.rng = self.rng = random.Random(seed)

    def rollout(self, policy, explore=0.2, limit=1_000):
        """Play a game; return its steps (state, action, reward, new)."""
        game = []
        state, over = self.environment.reset(), False
        while not over and len(game) < limit:
            action = policy.action(state, self.rng, explore)
            new, reward, over = self.environment.step(action)
            game.append((state, action, reward, new))
            state = new
        return game


def evaluate(policy, settings, games=20):
    """Return the mean number of steps of games without exploration."""
    simulation = Simulation(settings, seed=99)
    played = [simulation.rollout(policy, explore=0) for _ in range(games)]
    return sum(map(len, played)) / games
