"""Other libraries, each in its own idiom. They need the extra `peers`.

Dask's bag and Polars run the same program for both jobs, `textbook` and
`combined`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from benchmarks.wordcount.contenders import WordCounter, read_text
from minimr.interface.mapreduce import Job
from minimr.shared.mapreduce.corpus import FileSplit
from minimr.shared.mapreduce.tasks import do_map_task, do_reduce_task
from minimr.system.machine import peak_rss_bytes

# What `str.split()` splits at: Unicode's white space, and these.
WHITE_SPACE = r"[\s\x1c-\x1f]+"
BYTE_ORDER_MARK = "\ufeff"


class Dask(WordCounter):
    """A Dask bag on a local cluster of single-thread processes."""

    name = "dask"

    def start(self) -> None:
        """Start the cluster."""
        from distributed import Client, LocalCluster

        self._cluster = LocalCluster(
            n_workers=self.work.workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            memory_limit=0,  # no limit: else a worker could pause or spill
        )
        self._client = Client(self._cluster)

    def run(self) -> Any:
        """Count with `frequencies`, as Dask's own examples do."""
        from dask import bag
        from distributed import wait

        work = self.work
        lines = bag.read_text(
            list(work.paths),
            encoding="utf-8-sig",
            errors="replace",
            files_per_partition=-(-len(work.paths) // work.map_tasks),
        )
        words = lines.str.lower().str.split().flatten()
        counts = words.frequencies().persist()
        wait(counts, timeout=None)
        return counts

    def merge(self, output: Any) -> Mapping[str, int]:
        """Return the counts of the bag."""
        return dict(output.compute())

    def facts(self, output: Any) -> dict[str, Any]:
        """Return the peak memory of the workers."""
        peaks = self._client.run(peak_rss_bytes)
        return {"peak_rss_bytes": max(peaks.values())}

    def close(self) -> None:
        """Stop the cluster."""
        self._client.close()
        self._cluster.close()


class DaskFutures(Dask):
    """Our two kinds of tasks as Dask futures: same job, splits, blocks."""

    name = "dask-futures"

    def run(self) -> Any:
        """Submit all tasks; blocks go from worker to worker."""
        from distributed import wait

        submit, work = self._client.submit, self.work
        number = work.reduce_tasks
        maps = [
            submit(_map, work.job, split, number, pure=False)
            for split in work.splits
        ]
        outputs = []
        for partition in range(number):
            blocks = [submit(_pick, blocks, partition) for blocks in maps]
            outputs.append(submit(_reduce, work.job, blocks, pure=False))
        wait(outputs)
        return outputs

    def merge(self, output: Any) -> Mapping[str, int]:
        """Return the gathered outputs."""
        counts: dict[str, int] = {}
        for part in self._client.gather(output, direct=True):
            counts.update(part)
        return counts


class Polars(WordCounter):
    """Polars' streaming engine: what compiled code can do."""

    name = "polars"

    def start(self) -> None:
        """Load Polars, with as many threads as the others have workers."""
        os.environ["POLARS_MAX_THREADS"] = str(self.work.workers)
        import polars

        assert polars.thread_pool_size() == self.work.workers
        # It reads UTF-8 only: if a file is not, Python reads all of them.
        self._reads = all(map(_is_utf8, self.work.paths))

    def run(self) -> Any:
        """Count in a frame."""
        import polars

        if self._reads:
            lines = polars.scan_lines(list(self.work.paths), name="text")
        else:
            texts = list(map(read_text, self.work.paths))
            lines = polars.LazyFrame({"text": texts})
        words = (
            polars.col("text")
            .str.strip_prefix(BYTE_ORDER_MARK)
            .str.to_lowercase()
            .str.split(WHITE_SPACE, literal=False)
            .explode()
            .alias("word")
        )
        return (
            lines.select(words)
            .filter(polars.col("word") != "")
            .group_by("word")
            .len("count")
            .collect(engine="streaming")
        )

    def merge(self, output: Any) -> Mapping[str, int]:
        """Return the columns as a dict."""
        words, counts = output["word"].to_list(), output["count"].to_list()
        return dict(zip(words, counts, strict=True))


def _map(job: Job, split: FileSplit, number: int) -> list[bytes]:
    return do_map_task(job, split, number)[0]


def _pick(blocks: list[bytes], partition: int) -> bytes:
    return blocks[partition]


def _reduce(job: Job, blocks: list[bytes]) -> dict[str, int]:
    return do_reduce_task(job, blocks)[0]


def _is_utf8(path: str) -> bool:
    with open(path, "rb") as file:
        try:
            file.read().decode()
        except UnicodeDecodeError:
            return False
    return True
