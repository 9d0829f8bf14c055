"""The command line: `mien animate`, `mien motion`, `mien faces`, `mien emotions`, `mien bench`."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, TextIO

from PIL import Image as Pillow

import engine
from engine.bench import bench
from engine.errors import MienError, OptionError, OutputError
from engine.media.draw import draw_faces
from engine.media.encode import SUFFIXES, check_encoder
from engine.media.encoding import CODECS, Encoding
from engine.media.output import as_output_error, check_target, whole_file
from engine.media.plot import draw_motion
from engine.motion import files
from engine.motion.ends import looped
from engine.motion.script import Mix, Wanted
from engine.motion.track import FPS
from engine.options import clip_seconds, drawn_seed

PICTURE_SUFFIXES: Final = (".png", ".jpg", ".jpeg")
BAR_CELLS: Final = 30
EXIT_INPUT: Final = 2
FIRST_OF_SIGNALS: Final = 128  # as a shell reports what a signal ended
ENDING: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def run() -> NoReturn:
    """`main` as a process of its own."""
    _listen_to_signals()
    code = main()
    if code > FIRST_OF_SIGNALS:  # networks that are still being opened abort when the interpreter takes itself apart
        os._exit(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code: 0, 2 for input that can't be used, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # of names that a terminal can't show
    options = _parser().parse_args(arguments)
    try:
        if options.command == "animate":
            _animate(options)
        elif options.command == "motion":
            _motion(options)
        elif options.command == "faces":
            _faces(options)
        elif options.command == "bench":
            _say(json.dumps(bench(options.backend, options.seconds), indent=2))
        else:
            _say("\n".join(engine.EMOTIONS))
    except MienError as error:
        _say(str(error), sys.stderr)
        return EXIT_INPUT
    except KeyboardInterrupt as interrupt:
        _say("Interrupted; nothing was written.", sys.stderr)
        return FIRST_OF_SIGNALS + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    return 0


def _listen_to_signals() -> None:
    """But to those that whoever started the process has it ignore, as nohup does."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    """What Ctrl-C does, for all signals that end a process: files that are half-written are taken away."""
    raise KeyboardInterrupt(number)


def _say(text: str, stream: TextIO | None = None) -> None:
    """Prints, if anybody listens. Where nobody does, as behind `| head`, what was written to files is there all the
    same."""
    to = sys.stdout if stream is None else stream
    try:
        print(text, file=to, flush=True)
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), to.fileno())  # what is left in it would fail again at the end


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_INPUT, f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` says what there is.\n")


def _parser() -> _Parser:
    parser = _Parser(prog="mien", description="Animates the people in a still photo with an emotion.")
    parser.add_argument("--version", action="version", version=f"mien {engine.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    photo = _Parser(add_help=False)
    photo.add_argument("photo", metavar="PHOTO", help="JPEG, PNG, WebP, AVIF, BMP, TIFF or GIF")
    photo.add_argument(
        "--max-side", type=int, default=1920, metavar="N", help="shrink a larger photo to N pixels (default: 1920)"
    )
    photo.add_argument("--backend", default="auto", metavar="NAME", help="what runs the networks (default: auto)")

    motion = _Parser(add_help=False)
    motion.add_argument(
        "--intensity", type=float, default=1.0, help="0 keeps the expression of the photo, 1.5 is the most (default: 1)"
    )
    motion.add_argument("--seed", type=int, help="the same number gives the same motion (default: a new one each time)")
    motion.add_argument("--loop", action="store_true", help="end where it began")
    length_help = "how long it is (default: 4, or as the motion's file); of a longer file, its beginning"

    animate = commands.add_parser("animate", parents=[photo, motion], help="make a clip")
    animate.add_argument(
        "emotion",
        metavar="EMOTION",
        help="a name that `mien emotions` prints, a mix joy:0.6+surprise:0.4, a timeline 0=neutral,1.5=joy, "
        "or a motion's file (.npz, .csv)",
    )
    animate.add_argument("-o", "--output", required=True, metavar="OUT.mp4", help="the clip's file")
    animate.add_argument("--seconds", type=float, help=length_help)
    animate.add_argument(
        "--faces", type=_face_numbers, default="all", metavar="all|0,2", help="which faces, as `mien faces` counts them"
    )
    animate.add_argument("--codec", default="h264", metavar="|".join(CODECS), help="of the clip (default: h264)")
    animate.add_argument("--quality", type=int, metavar="Q", help="0 is the best, 51 the worst (default: 18)")
    animate.add_argument("--bitrate", type=int, metavar="B", help="bits a second, instead of a quality")
    animate.add_argument("--quiet", action="store_true", help="no progress bar, no closing line")

    draw = commands.add_parser("motion", parents=[motion], help="make a motion without a photo, or draw it")
    draw.add_argument("emotion", metavar="EMOTION", help="a name, a mix, a timeline or a motion's file, as for animate")
    draw.add_argument("-o", "--output", metavar="OUT.npz|.csv", help="the motion's file; .csv is Live Link Face's")
    draw.add_argument("--plot", metavar="TRACKS.png", help="a picture of its tracks")
    draw.add_argument("--seconds", type=float, help=length_help)

    faces = commands.add_parser("faces", parents=[photo], help="show the faces in a photo and their numbers")
    faces.add_argument("-o", "--output", metavar="FACES.png", help="also draw them into this picture")

    commands.add_parser("emotions", help="list the emotions")

    speed = commands.add_parser("bench", help="how fast a clip of a sample photo is made here, as JSON")
    speed.add_argument("--backend", default="auto", metavar="NAME", help="what runs the networks (default: auto)")
    speed.add_argument("--seconds", type=float, default=4.0, help="the clip's length (default: 4)")
    return parser


def _emotion(text: str) -> Wanted | engine.Motion:
    """What a motion's file holds, a name, a mix joy:0.6+surprise:0.4, or a timeline 0=neutral,1.5=joy of such steps."""
    if text.lower().endswith(files.SUFFIXES):
        return engine.Motion.load(text)
    try:
        if "=" not in text:
            return _mix(text)
        steps = (step.split("=") for step in text.split(","))
        return [(float(at), _mix(what)) for at, what in steps]
    except OptionError:
        raise
    except ValueError:
        raise OptionError(
            f"'{text}' can't be read; write a name, a mix such as joy:0.6+surprise:0.4 or a timeline such as "
            "0=neutral,1.5=joy."
        ) from None


def _mix(text: str) -> str | Mix:
    if ":" not in text:
        return text
    mix: dict[str, float] = {}
    for name, weight in (share.split(":") for share in text.split("+")):
        if name in mix:
            raise OptionError(f"The mix '{text}' has {name} twice; give each emotion one strength.")
        mix[name] = float(weight)
    return mix


def _face_numbers(text: str) -> str | tuple[int, ...]:
    if text == "all":
        return text
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"write 'all' or numbers such as 0,2, not '{text}'") from None


def _animate(options: argparse.Namespace) -> None:
    target = check_target(options.output, SUFFIXES)  # before the work, not after it
    encoding = {"codec": options.codec, "quality": options.quality, "bitrate": options.bitrate}
    Encoding(**encoding)  # raises before the work if they can't be had
    emotion = _emotion(options.emotion)
    opened = engine.Engine(options.backend, max_side=options.max_side)
    check_encoder(Encoding(**encoding, gpu=opened.on_gpu))
    with ProgressBar("people", options.quiet) as people:
        video = opened.animate(
            options.photo,
            emotion,
            seconds=options.seconds,
            intensity=options.intensity,
            seed=options.seed,
            faces=options.faces,
            loop=options.loop,
            progress=people,
        )
    with ProgressBar("frames", options.quiet) as frames:
        video.save(target, progress=frames, **encoding)
    if not options.quiet:
        size = f"{video.size[0]}x{video.size[1]}"
        _say(f"{target}: {len(video)} frames, {size}, {video.fps} frames a second, seed {video.seed}")


def _motion(options: argparse.Namespace) -> None:
    target = check_target(options.output, files.SUFFIXES) if options.output else None
    plot = check_target(options.plot, PICTURE_SUFFIXES) if options.plot else None
    if target is None and plot is None:
        raise OptionError("Nothing would be written; give --plot TRACKS.png, -o MOTION.npz or both.")
    wanted, name = _emotion(options.emotion), options.emotion
    if isinstance(wanted, engine.Motion):
        motion, name = wanted[: round(clip_seconds(wanted, options.seconds) * FPS)], Path(name).name
        motion = looped(motion) if options.loop else motion
    else:
        seed = drawn_seed(options.seed)
        motion = engine.Engine("onnxruntime").motion(  # no other network is needed, nor compiled for a GPU
            wanted,
            seconds=clip_seconds(wanted, options.seconds),
            intensity=options.intensity,
            seed=seed,
            loop=options.loop,
        )
        name += f", seed {seed}"
    if target is not None:
        motion.save(target)
        _say(f"{target}: {len(motion)} frames, {motion.seconds:g} seconds, {name}")
    if plot is not None:
        _save_picture(Pillow.fromarray(draw_motion(motion, f"{name}, {motion.seconds:g} s")), plot)
        _say(f"{plot}: {name}")


def _faces(options: argparse.Namespace) -> None:
    target = check_target(options.output, PICTURE_SUFFIXES) if options.output else None
    found = engine.Engine(options.backend, max_side=options.max_side).find_faces(options.photo)
    if target is not None and target.exists() and target.samefile(options.photo):
        raise OutputError(f"'{target}' is the photo itself; name another file for the picture of its faces.")
    lines = [f"{'face':>4} {'x':>6} {'y':>6} {'width':>6} {'height':>6} {'score':>6}  state"]
    for number, face in enumerate(found.faces):
        box, obstacle = face.box, found.obstacle(number)
        place = f"{box.x0:>6.0f} {box.y0:>6.0f} {box.width:>6.0f} {box.height:>6.0f}"
        state = f"{obstacle}, stays still" if obstacle else "can be animated"
        lines.append(f"{number:>4} {place} {face.score:>6.3f}  {state}")
    _say("\n".join(lines))
    if target is not None:
        picture = Pillow.fromarray(draw_faces(found.photo, found.faces, found.meshes))
        _save_picture(picture, target)
        _say(str(target))


def _save_picture(picture: Pillow.Image, target: Path) -> None:
    with whole_file(target) as partial:
        try:
            picture.save(partial, format="PNG" if target.suffix.lower() == ".png" else "JPEG", quality=92)
        except OSError as error:
            raise as_output_error(error, target) from error


class ProgressBar:
    """A bar in a terminal; in a file or a pipe, a line for every tenth of the work.

    what: is counted, such as "frames". quiet: says nothing. stream: where it is drawn, standard error by default; where
    nothing can be written there, the work goes on.
    """

    def __init__(self, what: str, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = None if quiet else stream or sys.stderr
        self._in_terminal = self._stream is not None and self._stream.isatty()
        self._tenths_said = 0
        self._line_is_open = False

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_error: object) -> None:
        """Ends the bar's line, so that what is printed next has its own."""
        if self._line_is_open:
            self._write("\n")

    def __call__(self, done: int, total: int) -> None:
        count = f"{done}/{total} {self._what}"
        if self._in_terminal:
            filled = BAR_CELLS * done // total
            self._write(f"\r[{'#' * filled}{'-' * (BAR_CELLS - filled)}] {count}")
            self._line_is_open = True
        elif self._tenths_said != (tenths := 10 * done // total):
            self._tenths_said = tenths
            self._write(f"{count}\n")

    def _write(self, text: str) -> None:
        if self._stream is not None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):  # closed, or full
                self._stream = None
