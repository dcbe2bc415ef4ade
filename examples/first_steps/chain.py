"""References as arguments: tasks that wait for each other, not for us.

    read("a") ─> words ─> count ─┐
    read("b") ─> words ─> count ─┴─> add ─> get

The driver hands references on and waits once, at the end. Each task starts
when its arguments are there, and gets values in place of the references.

Watch: the driver has started everything before the first task has ended.
       A reference inside of a list stays one: the task gets it itself.
From:  Ray 0.2.2's documentation; Learning Ray, chapter 2.
Next:  put a `get` around each call: how long does the driver take then?
"""

import time

TEXTS = {"a": "to be or not to be", "b": "that is the question"}


def main(ray, full=False):
    """Return how many words there are."""
    seconds = 0.5 if full else 0.1

    @ray.remote
    def read(name):
        time.sleep(seconds)
        return TEXTS[name]

    @ray.remote
    def words(text):  # a str: the reference was resolved
        time.sleep(seconds)
        return text.split()

    @ray.remote
    def count(words):
        return len(words)

    @ray.remote
    def add(*numbers):
        return sum(numbers)

    @ray.remote
    def add_list(references):  # those inside of a list are not resolved
        return sum(ray.get(references))

    begin = time.perf_counter()
    counts = [count.remote(words.remote(read.remote(name))) for name in TEXTS]
    total = add.remote(*counts)
    print(f"all started  {time.perf_counter() - begin:5.2f} s")
    print(f"{ray.get(total)} words      {time.perf_counter() - begin:5.2f} s")

    expected = sum(len(text.split()) for text in TEXTS.values())
    assert ray.get(total) == expected, f"there are {expected}"
    assert ray.get(add_list.remote(counts)) == expected, "a list got lost"
    return expected
