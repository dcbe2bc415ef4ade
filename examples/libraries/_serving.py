"""A serving library on actors: replicas, batches, HTTP.

    GET /?item ──> Proxy ──> the replica with the fewest requests
                             waits for others, at most `wait_s`
                             model([item, item, ...]) ──> answers

A replica that dies is started again (`max_restarts`), and what it had not
answered is asked again (`max_task_retries`): so a model must not mind that it
is asked twice. The web server is uvicorn.
"""

import asyncio
import json
from urllib.parse import unquote

import uvicorn


class Replica:
    """One copy of a model, which gets requests in batches."""

    def __init__(self, model, batch, wait_s):
        self.model, self.batch, self.wait_s = model(), batch, wait_s
        self.waiting = []  # (item, future of its answer)
        self.batches = []  # their sizes

    async def ask(self, item):
        """Return the answer for one item, which comes with a batch."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.waiting.append((item, future))
        if len(self.waiting) == self.batch:
            self.answer()
        elif len(self.waiting) == 1:
            loop.call_later(self.wait_s, self.answer)
        return await future

    def answer(self):
        """Ask the model for all that wait."""
        taken, self.waiting = self.waiting, []
        if taken:  # else the batch was full before the time was over
            self.batches.append(len(taken))
            items, futures = zip(*taken, strict=True)
            for future, answer in zip(futures, self.model(items), strict=True):
                future.set_result(answer)

    async def sizes(self):
        """Return how many items each batch had."""
        return self.batches


class Proxy:
    """Takes requests by HTTP, and has them answered."""

    def __init__(self, replicas):
        self.replicas = replicas
        self.asked = [0] * len(replicas)  # and not answered yet

    async def start(self):
        """Serve from now on; return the port."""

        async def respond(scope, receive, send):  # ASGI
            item = unquote(scope["query_string"].decode())
            body = json.dumps(await self.ask(item)).encode()
            kind = "http.response."
            await send({"type": kind + "start", "status": 200, "headers": []})
            await send({"type": kind + "body", "body": body})

        config = uvicorn.Config(
            respond,
            port=0,
            interface="asgi3",
            lifespan="off",
            log_level="warning",
        )
        server = uvicorn.Server(config)
        self.serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        return server.servers[0].sockets[0].getsockname()[1]

    async def ask(self, item):
        """Return the answer of a replica."""
        least = min(range(len(self.asked)), key=self.asked.__getitem__)
        self.asked[least] += 1
        try:
            return await self.replicas[least].ask.remote(item)
        finally:
            self.asked[least] -= 1


class Deployment:
    """A model that is served, by so many replicas."""

    def __init__(self, ray, model, replicas=2, batch=8, wait_s=0.02):
        self.ray = ray
        kind = ray.remote(max_restarts=-1, max_task_retries=-1)(Replica)
        self.replicas = [
            kind.remote(model, batch, wait_s) for _ in range(replicas)
        ]
        self.proxy = ray.remote(Proxy).remote(self.replicas)
        self.port = ray.get(self.proxy.start.remote())

    def batches(self):
        """Return the sizes of all batches."""
        sizes = [replica.sizes.remote() for replica in self.replicas]
        return [one for part in self.ray.get(sizes) for one in part]

    def kill_replica(self):
        """Kill a replica, which is started again."""
        self.ray.kill(self.replicas[0], no_restart=False)

    def stop(self):
        """End the proxy and the replicas."""
        for actor in (self.proxy, *self.replicas):
            self.ray.kill(actor)
