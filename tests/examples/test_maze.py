"""The maze that programs share: each exercise changes what it says."""

from __future__ import annotations

from itertools import product

from examples.maze._maze import Environment, Policy, Simulation, evaluate

DOWN, LEFT, UP, RIGHT = range(4)


def test_a_game_is_over_at_the_goal() -> None:
    maze = Environment(size=2)
    assert maze.reset() == 0
    assert maze.step(DOWN) == (2, 0, False)
    assert maze.step(RIGHT) == (3, 1, True)


def test_an_outer_wall_costs_a_hundred_if_it_is_hazardous() -> None:
    for hazardous, reward in (False, 0), (True, -100):
        maze = Environment(size=3, hazardous_walls=hazardous)
        assert maze.step(UP) == (0, reward, False)


def test_obstacles_shut_no_field_in() -> None:
    for size, obstacles in (5, 4), (6, 8):
        maze = Environment(size=size, obstacles=obstacles)
        reached, ahead = set(), {(0, 0)}
        while ahead:
            reached |= ahead
            ahead = {
                new
                for field, move in product(ahead, range(4))
                if (new := moved(maze, field, move)) not in reached
            }
        assert len(reached) == size**2 - obstacles


def moved(
    maze: Environment, field: tuple[int, int], move: int
) -> tuple[int, int]:
    maze.seekers = [field]
    maze.step(move)
    return maze.seekers[0]


def test_two_seekers_are_moved_by_one_action_and_wait_for_each_other() -> None:
    maze = Environment(size=2, seekers=2)
    assert maze.action_space.n == 16
    assert maze.step(DOWN + 4 * RIGHT) == (2 * 4 + 1, 0, False)
    assert maze.step(RIGHT + 4 * UP) == (3 * 4 + 1, 0, False)
    assert maze.step(LEFT + 4 * DOWN) == (3 * 4 + 3, 1, True)


def test_a_random_goal_is_part_of_the_state() -> None:
    maze = Environment(size=3, random_start=True, random_goal=True)
    states = {maze.reset() for _ in range(2_000)}
    assert states == set(range(maze.state_space.n))


def test_two_seekers_learn_to_go_at_the_same_time() -> None:
    settings = {"size": 2, "seekers": 2}
    policy = Policy(Environment(**settings))
    simulation = Simulation(settings, seed=0)
    for _ in range(1_000):
        policy.update(simulation.rollout(policy, explore=1))
    assert evaluate(policy, settings) == 2
