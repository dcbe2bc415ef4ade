"""Two actors that wait for each other wait for ever.

Watch: the first asks the second, which asks back; the first does one call at
a time, and has not ended this one. Actors that `await` can answer meanwhile.
"""

from typing import Any


def main(api: Any, cluster: Any) -> None:
    """Let two actors ask each other, by `get` and by `await`."""

    @api.remote(num_cpus=0)
    class Gets:
        def ask(self, me: Any, other: Any) -> Any:
            return api.get(other.ask_back.remote(me))

        def ask_back(self, first: Any) -> Any:
            return api.get(first.answer.remote())

        def answer(self) -> str:
            return "hello"

    @api.remote(num_cpus=0)
    class Awaits:
        async def ask(self, me: Any, other: Any) -> Any:
            return await other.ask_back.remote(me)

        async def ask_back(self, first: Any) -> Any:
            return await first.answer.remote()

        async def answer(self) -> str:
            return "hello"

    first, second = Gets.remote(), Gets.remote()
    done, _ = api.wait([first.ask.remote(first, second)], timeout=2)
    first, second = Awaits.remote(), Awaits.remote()
    answer = api.get(first.ask.remote(first, second), timeout=30)
    print(f"with get {len(done)} answers after 2 s; with await: {answer}")
    assert [len(done), answer] == [0, "hello"]
