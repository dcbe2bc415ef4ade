"""A model is served by replicas: in batches, by HTTP, while one is killed.

Many clients ask at the same time. A replica waits for a few requests and asks
the model for all of them at once, which costs little more than one. In the
middle one replica is killed, and no client gets an error.

Watch: how many batches there are, and the slowest answer: that is the price
       of a death. With `--batch 1` the model is asked for each item.
From:  Learning Ray, chapter 1 (Ray Serve).
Next:  start more replicas when many requests wait, and end idle ones.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote
from urllib.request import urlopen

from examples.libraries._serving import Deployment


class Reader:
    """A model that is slow for each batch, not for each item."""

    def __call__(self, texts):
        """Return how many words, and how many letters each text has."""
        time.sleep(0.02)
        return [[len(text.split()), len(text)] for text in texts]


def main(ray, full=False, *, requests=60, batch=8, clients=16):
    """Return the answers."""
    requests = 20 * requests if full else requests
    texts = ["word " * (i % 7) + str(i) for i in range(requests)]
    served = Deployment(ray, Reader, replicas=2, batch=batch)

    def ask(number):
        if number == requests // 2:
            served.kill_replica()
        begin = time.perf_counter()
        url = f"http://127.0.0.1:{served.port}/?{quote(texts[number])}"
        with urlopen(url, timeout=30) as response:
            return json.load(response), time.perf_counter() - begin

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers, times = zip(*pool.map(ask, range(requests)), strict=True)
    took = time.perf_counter() - begin
    sizes = served.batches()  # without those of the process that was killed
    served.stop()

    print(f"{requests} requests, {requests / took:.0f} per second")
    print(f"{len(sizes)} batches of {sum(sizes) / len(sizes):.1f} requests")
    print(f"the median answer {sorted(times)[requests // 2]:.3f} s")
    print(f"the slowest one   {max(times):.3f} s")
    assert list(answers) == Reader()(texts), "an answer is lost, or wrong"
    return answers
