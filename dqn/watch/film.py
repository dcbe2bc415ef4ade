"""Games as files: a video, a GIF, a sheet of pictures.

frames ─> Recorder.add ─> draft, beside the file
          Recorder.save ─> the file

Rules:

1. Frames are not kept in memory: a video is encoded while it is played, the
   others keep few or small frames.
2. A file appears when it is complete; the old one stays until then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dqn.errors import DQNError
from dqn.watch.play import Frame
from minimr.system.files import Draft

WHITE, GREY, BLACK = (255, 255, 255), (128, 128, 128), (0, 0, 0)
REST_S = 1.0  # how long the end of a game stays on the screen
FONT_SIZE = 18
GIF_FRAMES_PER_SECOND = 25
GIF_WIDTH = 300
SHEET_PICTURES, SHEET_COLUMNS = 12, 4  # of each game
SHEET_WIDTH = 300  # of each picture
SHEET_GAP = 4  # between two


class Recorder(ABC):
    """Makes a file of frames.

    Args:
        path: of the file.
        frames_per_second: at which the frames come.

    Raises:
        DQNError: the file cannot be written; so do the methods.
    """

    suffixes: tuple[str, ...]

    def __init__(self, path: str, frames_per_second: int) -> None:
        self._path, self._fps = Path(path), frames_per_second
        suffix = self._path.suffix.lower()
        if suffix not in self.suffixes:
            raise DQNError(
                f"{path}: its name must end in {' or '.join(self.suffixes)}"
            )
        with self._writing():
            self._file = Draft(self._path)
        self._draft = Path(self._file.name)

    def add(self, frame: Frame) -> None:
        """Add the next frame."""
        with self._writing():
            self._add(frame)

    def save(self) -> None:
        """Put the file in its place. Blocks: until it is written."""
        with self._writing():
            self._finish()
            self._file.put()

    def close(self) -> None:
        """Remove the draft."""
        self._file.discard()

    @abstractmethod
    def _add(self, frame: Frame) -> None: ...

    @abstractmethod
    def _finish(self) -> None: ...

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error).splitlines()[0]
            raise DQNError(f"cannot write {self._path}: {reason}") from error


class Video(Recorder):
    """A video for any player (H.264)."""

    suffixes = (".mp4", ".mkv", ".mov")

    def __init__(self, path: str, frames_per_second: int) -> None:
        imageio = _imageio()
        super().__init__(path, frames_per_second)
        # the codec wants even widths and heights
        self._writer = imageio.get_writer(
            self._draft,
            format="FFMPEG",
            mode="I",
            fps=frames_per_second,
            macro_block_size=2,
        )

    def _add(self, frame: Frame) -> None:
        image = _captioned(frame)
        rest = round(REST_S * self._fps) if frame.is_last else 0
        for _ in range(1 + rest):
            self._writer.append_data(image)

    def _finish(self) -> None:
        self._writer.close()

    def close(self) -> None:
        """Stop the encoder, and remove the draft."""
        self._writer.close()
        super().close()


class Gif(Recorder):
    """A small animated picture, for a README."""

    suffixes = (".gif",)

    def __init__(self, path: str, frames_per_second: int) -> None:
        super().__init__(path, frames_per_second)
        self._every = max(1, round(frames_per_second / GIF_FRAMES_PER_SECOND))
        self._count = 0
        self._images: list[Image.Image] = []
        self._milliseconds: list[int] = []  # how long each is shown

    def _add(self, frame: Frame) -> None:
        self._count += 1
        if self._count % self._every and not frame.is_last:
            return
        small = _scaled(Image.fromarray(_captioned(frame)), GIF_WIDTH)
        self._images.append(small.quantize(64))
        rest = 1000 * REST_S if frame.is_last else 0
        self._milliseconds.append(round(1000 * self._every / self._fps + rest))

    def _finish(self) -> None:
        self._images[0].save(
            self._draft,
            save_all=True,
            append_images=self._images[1:],
            duration=self._milliseconds,
            loop=0,
        )


class Sheet(Recorder):
    """Each game in a dozen pictures, its end the last."""

    suffixes = (".png",)

    def __init__(self, path: str, frames_per_second: int) -> None:
        super().__init__(path, frames_per_second)
        self._pictures: list[Image.Image] = []  # of the games that are over
        self._game: list[Image.Image] = []  # of the one under way
        self._every, self._count = 1, 0

    def _add(self, frame: Frame) -> None:
        if self._count % self._every == 0 or frame.is_last:
            image = Image.fromarray(_captioned(frame, 2 * FONT_SIZE))
            self._game.append(_scaled(image, SHEET_WIDTH))
        self._count += 1
        if frame.is_last:
            self._pictures += _evenly(self._game, SHEET_PICTURES)
            self._game, self._every, self._count = [], 1, 0
        elif len(self._game) > 8 * SHEET_PICTURES:  # keep every second
            self._game, self._every = self._game[::2], 2 * self._every

    def _finish(self) -> None:
        width, height = self._pictures[0].size
        width, height = width + SHEET_GAP, height + SHEET_GAP
        rows = -(-len(self._pictures) // SHEET_COLUMNS)
        size = (width * SHEET_COLUMNS, height * rows)
        sheet = Image.new("RGB", size, GREY)
        for i, picture in enumerate(self._pictures):
            row, column = divmod(i, SHEET_COLUMNS)
            sheet.paste(picture, (column * width, row * height))
        sheet.save(self._draft)


def _evenly(pictures: list[Image.Image], number: int) -> list[Image.Image]:
    """Return this many pictures, the first and the last among them.

    A shorter game ends with copies of its last picture, so that every game
    fills its rows.
    """
    last = len(pictures) - 1
    if last < number:
        return pictures + pictures[-1:] * (number - 1 - last)
    return [pictures[round(i * last / (number - 1))] for i in range(number)]


def _captioned(frame: Frame, size: int = FONT_SIZE) -> Any:
    """Return the image with game, time and score written into it."""
    image = Image.fromarray(frame.image)
    text = f"game {frame.game}  {frame.seconds:.1f} s  {frame.score:+.0f}"
    ImageDraw.Draw(image).text(
        (size // 2, size // 3),
        text,
        WHITE,
        font=ImageFont.load_default(size),
        stroke_width=2,
        stroke_fill=BLACK,
    )
    return np.asarray(image)


def _scaled(image: Image.Image, width: int) -> Image.Image:
    return image.resize((width, round(image.height * width / image.width)))


def _imageio() -> Any:
    try:
        import_module("imageio_ffmpeg")
        return import_module("imageio.v2")
    except ImportError as error:
        raise DQNError(
            "a video needs imageio and imageio-ffmpeg: "
            "pip install 'minimr[video]'"
        ) from error
