"""The command line: `mien animate`, `mien faces`, `mien emotions`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from PIL import Image as Pillow

import engine
from engine.errors import MienError
from engine.media.draw import draw_faces
from engine.media.encode import SUFFIXES
from engine.media.output import as_output_error, check_target, whole_file

PICTURE_SUFFIXES: Final = (".png", ".jpg", ".jpeg")
BAR_CELLS: Final = 30
EXIT_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as a shell reports it


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code: 0, 2 for input that can't be used, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "animate":
            _animate(options)
        elif options.command == "faces":
            _faces(options)
        else:
            print("\n".join(engine.EMOTIONS))
    except MienError as error:
        print(error, file=sys.stderr)
        return EXIT_INPUT
    except KeyboardInterrupt:
        print("Interrupted; nothing was written.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mien", description="Animates the people in a still photo with an emotion.")
    parser.add_argument("--version", action="version", version=f"mien {engine.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    photo = argparse.ArgumentParser(add_help=False)
    photo.add_argument("photo", metavar="PHOTO", help="JPEG, PNG, WebP, BMP or TIFF")
    photo.add_argument(
        "--max-side", type=int, default=1920, metavar="N", help="shrink a larger photo to N pixels (default: 1920)"
    )
    photo.add_argument("--backend", default="auto", metavar="NAME", help="what runs the networks (default: auto)")

    animate = commands.add_parser("animate", parents=[photo], help="make a clip")
    animate.add_argument("emotion", metavar="EMOTION", help="one of the names that `mien emotions` prints")
    animate.add_argument("-o", "--output", required=True, metavar="OUT.mp4", help="the clip's file")
    animate.add_argument("--seconds", type=float, default=4.0, help="the clip's length (default: 4)")
    animate.add_argument(
        "--intensity", type=float, default=1.0, help="0 keeps the expression of the photo, 1.5 is the most (default: 1)"
    )
    animate.add_argument("--seed", type=int, help="the same number gives the same clip (default: a new one each time)")
    animate.add_argument(
        "--faces", type=_face_numbers, default="all", metavar="all|0,2", help="which faces, as `mien faces` counts them"
    )
    animate.add_argument("--quiet", action="store_true", help="no progress bar, no closing line")

    faces = commands.add_parser("faces", parents=[photo], help="show the faces in a photo and their numbers")
    faces.add_argument("-o", "--output", metavar="FACES.png", help="also draw them into this picture")

    commands.add_parser("emotions", help="list the emotions")
    return parser


def _face_numbers(text: str) -> str | tuple[int, ...]:
    if text == "all":
        return text
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"write 'all' or numbers such as 0,2, not '{text}'") from None


def _animate(options: argparse.Namespace) -> None:
    target = check_target(options.output, SUFFIXES)  # before the work, not after it
    video = engine.Engine(options.backend, max_side=options.max_side).animate(
        options.photo,
        options.emotion,
        seconds=options.seconds,
        intensity=options.intensity,
        seed=options.seed,
        faces=options.faces,
    )
    if options.quiet:
        video.save(target)
        return
    bar = ProgressBar(sys.stderr)
    try:
        video.save(target, progress=bar)
    finally:
        bar.close()
    print(f"{target}: {len(video)} frames, {video.size[0]}x{video.size[1]}, {video.fps} frames a second")


def _faces(options: argparse.Namespace) -> None:
    target = check_target(options.output, PICTURE_SUFFIXES) if options.output else None
    found = engine.Engine(options.backend, max_side=options.max_side).find_faces(options.photo)
    print(f"{'face':>4} {'x':>6} {'y':>6} {'width':>6} {'height':>6} {'score':>6}  state")
    for number, (face, mesh) in enumerate(zip(found.faces, found.meshes, strict=True)):
        box = face.box
        place = f"{box.x0:>6.0f} {box.y0:>6.0f} {box.width:>6.0f} {box.height:>6.0f}"
        state = "too small, stays still" if mesh is None else "can be animated"
        print(f"{number:>4} {place} {face.score:>6.3f}  {state}")
    if target is not None:
        picture = Pillow.fromarray(draw_faces(found.photo, found.faces, found.meshes))
        _save_picture(picture, target)
        print(target)


def _save_picture(picture: Pillow.Image, target: Path) -> None:
    with whole_file(target) as partial:
        try:
            picture.save(partial, format="PNG" if target.suffix.lower() == ".png" else "JPEG", quality=92)
        except OSError as error:
            raise as_output_error(error, target) from error


class ProgressBar:
    """A bar in a terminal; in a file or a pipe, a line for every tenth of the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._in_terminal = stream.isatty()
        self._tenths_said = 0
        self._line_is_open = False

    def __call__(self, done: int, total: int) -> None:
        if self._in_terminal:
            filled = BAR_CELLS * done // total
            bar = "#" * filled + "-" * (BAR_CELLS - filled)
            self._stream.write(f"\r[{bar}] {done}/{total} frames")
            self._line_is_open = True
        else:
            tenths = 10 * done // total
            if tenths == self._tenths_said:
                return
            self._tenths_said = tenths
            self._stream.write(f"{done}/{total} frames\n")
        self._stream.flush()

    def close(self) -> None:
        """Ends the bar's line, so that what is printed next has its own."""
        if self._line_is_open:
            self._stream.write("\n")
            self._stream.flush()
            self._line_is_open = False
