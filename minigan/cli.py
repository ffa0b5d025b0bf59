"""The command `minigan`, also `python -m minigan`; and what the examples share of a command line."""

import inspect
import os
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import sample_command as samples
from .backend import usability
from .backend.facts import facts, warnings
from .checkpoint import load_model
from .data import crop_faces
from .errors import MiniganError, SettingsError, counted, did_you_mean
from .example_files import copy_examples, example_programs, purpose
from .gradcheck import command as gradcheck
from .labs import command as labs
from .metrics import command as metrics
from .model_files import model_file
from .models import MODELS
from .network import Sequential
from .play import command as playing
from .printing import note
from .report import command as report
from .settings import Parser, near_path
from .summary import ways_table
from .version import __version__

BATCH = 32  # images, to say which ways convolutions take


def guarded(command: Callable[[list[str] | None], int | None], argv: list[str] | None = None) -> int:
    """Run a command, and return its exit status. What is wrong becomes one message and status 2, Ctrl-C 130."""
    with suppress(AttributeError, ValueError):  # it is closed, or a notebook's
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # names of files have any characters
    try:
        status = command(argv)
        return _flush() or status or 0
    except SystemExit as end:  # of --help and --version
        raise SystemExit(_flush() or end.code) from None
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _flush()
    except MiniganError as error:
        return _fail("; ".join([str(error), *getattr(error, "__notes__", [])]))
    except MemoryError as error:
        return _fail(f"out of memory: use a smaller batch, a smaller network, or fewer or smaller images ({error})")
    except OSError as error:
        return _fail(str(error))


def _flush() -> int:
    """Write out what was printed, here, where a full disk or a reader that has gone can still be answered."""
    if sys.stdout is None or sys.stdout.closed:  # it may have been before the program began
        return 0
    try:
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError, AttributeError):  # a notebook's has no number
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try again at its end
        if isinstance(error, BrokenPipeError):  # `| head` has seen enough
            return 0
        return _fail(f"the output cannot be written: {error.strerror or error}")
    return 0


def _fail(message: str) -> int:
    note(f"error: {message}")
    return 2


def main(argv: list[str] | None = None) -> int:
    """`minigan COMMAND`: one of COMMANDS."""
    return guarded(_main, argv)


def _main(argv: list[str] | None) -> int | None:
    parser = Parser(
        prog="minigan",
        description="Get the example programs, sample from a trained generator, judge it or play with it, look at a "
        "run and at what is wrong with it, print a model's layers, cut faces out of photographs, check gradients, or "
        "see what can compute here. `minigan COMMAND --help` says more.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (_, add_arguments, what) in COMMANDS.items():
        add_arguments(commands.add_parser(name, help=what, allow_abbrev=False))
    arguments = vars(parser.parse_args(argv))
    name = arguments.pop("command")
    if name is None:
        parser.print_help()
        return None
    command, *_ = COMMANDS[name]
    return command(**arguments)


def _examples_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help="copy them there; what is there is not overwritten (default: list them)",
    )


def _summary_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help=f"one of {', '.join(sorted(MODELS))}; or a model file, or a run's folder"
    )
    parser.add_argument("--classes", type=int, metavar="N", help="of mnist_dcgan, with labels of so many classes")
    parser.add_argument(
        "--ways", type=int, nargs="?", const=BATCH, metavar="N",
        help=f"print which way each convolution of a batch of N images takes, and why (default {BATCH})",
    )  # fmt: skip


def _crop_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("photographs", type=Path, metavar="FOLDER", help="photographs, in folders of any depth")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="NEW_FOLDER",
        help="where each face becomes a .png, at twice the size of its box: with hair and ears",
    )  # fmt: skip
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--boxes", type=Path, default=SUPPRESS, metavar="FILE.csv",
        help="where the faces are: file,x,y,width,height, in pixels (default: OpenCV looks for them)",
    )  # fmt: skip
    where.add_argument(
        "--cascade", default=SUPPRESS, metavar="NAME",
        help="OpenCV's classifier, or the path of another (default: the one for the faces of cats)",
    )  # fmt: skip


def examples(to: Path | None) -> None:
    """Print the example programs, each with its purpose; or copy them to a folder."""
    if to is None:
        programs = example_programs()
        width = max(len(program.name) for program in programs)
        print(*(f"{program.name:<{width}}  {purpose(program)}" for program in programs), sep="\n")
        return
    copies = list(copy_examples(to))
    print(f"{len(copies)} programs: {to}    to begin with: python {to / 'mnist_mlp_gan.py'} --quick")


def summary(model: str, classes: int | None, ways: int | None) -> None:
    """Print the layers of a built-in model's G and D, and the totals of both together; or those of a model file.

    ways: images of a batch, to print which ways convolutions take, in place of the layers
    """
    if ways is not None and ways < 1:
        raise SettingsError(f"--ways {ways}: wanted the images of a batch, 1 or more")
    if model in MODELS:
        G, D = MODELS[model](**_class_option(model, classes))
        if ways is not None:
            print(ways_table(G, ways), ways_table(D, ways), sep="\n\n")
        else:
            print(G, D, combined(G, D), sep="\n\n")
        return
    if classes is not None:
        raise SettingsError(f"--classes {classes}: only a built-in model is built anew, and {model} is none")
    path = Path(model)
    if not path.exists():
        near = did_you_mean(model, MODELS) or near_path(path)
        raise SettingsError(
            f"{model!r} is neither a model file nor a run's folder, nor one of {', '.join(sorted(MODELS))}{near}"
        )
    net = load_model(model_file(path))
    print(net if ways is None else ways_table(net, ways))


def _class_option(model: str, classes: int | None) -> dict[str, Any]:
    if classes is None:
        return {}
    able = [name for name, build in MODELS.items() if "classes" in inspect.signature(build).parameters]
    if model not in able or classes < 1:
        raise SettingsError(f"--classes {classes}: wanted at least 1, and a model that has labels: {', '.join(able)}")
    return {"classes": classes}


def cut_faces(photographs: Path, out: Path, **where: Any) -> None:
    """Cut the faces out of photographs into the new folder `out`.    where: boxes or cascade of `crop_faces`"""
    images, faces, without_face = crop_faces(photographs, out, **where)
    found = f"{counted(images, 'photograph')} of {photographs}, {counted(faces, 'face')}"
    print(f"{found}: {out}  ({without_face:,} without a face)")


def backends() -> None:
    """Print every backend, with what it computes on, or why it cannot; and what the CPU's are tuned to."""
    found = usability()
    lines = {name: f"{'usable' if usable else 'not usable'}: {words}" for name, (usable, words) in found.items()}
    for name, value in [*lines.items(), ("", ""), *facts()]:
        print(f"{name:<9} {value}".rstrip())
    for warning in warnings():
        print(f"\nwarning: {warning}")


def combined(G: Sequential, D: Sequential) -> str:
    """The totals of G followed by D, as G's update sees them: D's parameters are not trained there."""
    learned, fixed = G.params.size, G.state.size + D.params.size + D.state.size
    total = counted(learned + fixed, "parameter")
    return f"G and D combined: total {total}; in G's update {learned:,} trainable, {fixed:,} not"


COMMANDS: dict[str, tuple[Callable[..., int | None], Callable[[ArgumentParser], None], str]] = {
    "examples": (examples, _examples_arguments, "list the example programs, or copy them to a folder"),
    "sample": (samples.sample, samples.add_arguments, "make images with a trained generator"),
    "evaluate": (metrics.evaluate_model, metrics.add_arguments, "say how good a generator is, in numbers"),
    "play": (playing.play, playing.add_arguments, "look at what a generator has learned, in the browser"),
    "doctor": (report.doctor, report.doctor_arguments, "say what is wrong with a run, and what to try"),
    "report": (report.report, report.report_arguments, "write a page that shows a run, or compares several"),
    "watch": (report.watch_run, report.watch_arguments, "show a run that is being trained, in a browser"),
    "summary": (summary, _summary_arguments, "print a model's layers, shapes and parameters"),
    "crop-faces": (cut_faces, _crop_arguments, "cut the faces out of photographs, to train on"),
    "backends": (backends, lambda parser: None, "print which backends can be used here, and why not"),
    "lab": (labs.lab, labs.add_arguments, "the course's labs: start one, check it, get a hint"),
    "gradcheck": (gradcheck.gradcheck, gradcheck.add_arguments, "compare gradients with finite differences"),
}
