"""`python -m dqn play`: watch what a checkpoint has learned.

checkpoint ─> games ─> video, GIF, sheet; the scores on standard output
"""

from __future__ import annotations

from contextlib import ExitStack

import click

from dqn.algorithm.environment import limit_of
from dqn.algorithm.network import use_one_thread
from dqn.runs.checkpoint import read
from dqn.watch.film import Gif, Recorder, Sheet, Video
from dqn.watch.play import Stage, network_of
from minimr.cli.console import note, say

RECORDERS: dict[str, type[Recorder]] = {
    "video": Video,
    "gif": Gif,
    "sheet": Sheet,
}
CHECKPOINT = "model_checkpoint.pth"


@click.command()
@click.option("--checkpoint", default=CHECKPOINT, metavar="FILE")
@click.option("--video", metavar="FILE.mp4", help="Film the games.")
@click.option("--gif", metavar="FILE.gif", help="The same, small.")
@click.option("--sheet", metavar="FILE.png", help="A page of pictures.")
@click.option("--games", default=1, show_default=True, type=click.IntRange(1))
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Of the first game; the others have the next ones.",
)
@click.option("--environment", help="If not the one of the checkpoint.")
def play(
    checkpoint: str,
    games: int,
    seed: int,
    environment: str | None,
    **files: str | None,
) -> None:
    """Watch a trained network play, or film it."""
    use_one_thread()
    found = read(checkpoint)
    name = environment or found.environment
    network = network_of(found, name)
    if limit := limit_of(name):
        note(limit)
    with ExitStack() as stack:
        stage = Stage(name)
        stack.callback(stage.close)
        recorders = []
        for kind, path in files.items():
            if path is not None:
                recorder = RECORDERS[kind](path, stage.frames_per_second)
                stack.callback(recorder.close)
                recorders.append(recorder)
        for frame in stage.games(network, range(seed, seed + games)):
            for recorder in recorders:
                recorder.add(frame)
            if frame.is_last:
                say(
                    f"game {frame.game}, seed {seed + frame.game - 1}: "
                    f"{frame.score:.1f} after {frame.seconds:.1f} s"
                )
        for recorder in recorders:
            recorder.save()
    for path in filter(None, files.values()):
        say(f"wrote {path}")
