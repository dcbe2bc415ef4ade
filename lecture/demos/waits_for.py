"""Who waits for whom: a task begins when its arguments are there.

Watch: the arrows. All tasks are submitted at once; nobody waits in the
program, and no result passes through it.

Ask before train begins: all are submitted. When does the first begin?
- when all parts are loaded
+ when its own part is loaded
Because: a task waits for its arguments, and for nothing else.
"""

import time
from typing import Any


def main(api: Any, cluster: Any) -> None:
    """Load four parts, train on each, and average what was learned."""

    @api.remote
    def load(part: int) -> list[int]:
        time.sleep(0.1 + 0.05 * part)
        return list(range(part, 100, 4))

    @api.remote
    def train(numbers: list[int]) -> float:
        time.sleep(0.2)
        return sum(numbers) / len(numbers)

    @api.remote
    def average(*learned: float) -> float:
        return sum(learned) / len(learned)

    parts = [load.remote(part) for part in range(4)]
    learned = [train.remote(part) for part in parts]
    found = api.get(average.remote(*learned))
    print(f"the average is {found}")
    assert found == 49.5
