"""`minigan report`, `watch` and `doctor`: a run, or several, on a page or in words."""

import json
import webbrowser
from argparse import ArgumentParser
from pathlib import Path

from ..diagnostics import read_lines
from ..doctor import examine
from ..doctor_chart import LEAST
from ..errors import FileError, SettingsError, counted
from ..printing import note
from ..run_directory import RunDirectory
from ..settings import in_flags, near_path
from .pages import write_report
from .watch import watch

MOST_RUNS = 6  # on one page


def report_arguments(parser: ArgumentParser) -> None:
    """The flags of `minigan report`."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run's folder; several are compared")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.html",
        help="where to write the page (default: report.html in the run's folder; needed for several runs)",
    )  # fmt: skip


def report(runs: list[Path], out: Path | None) -> None:
    """Write the page of one run into its folder, or of several to `out`."""
    directories = [_directory(run) for run in runs]
    if len(runs) > MOST_RUNS:
        raise SettingsError(f"{len(runs)} runs; a page has room for {MOST_RUNS}")
    if out is None and len(runs) > 1:
        raise SettingsError(f"{len(runs)} runs on one page: say where to write it, --out compared.html")
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"--out {out}: wanted a name that ends in .html")
    if out is not None and out.exists():
        raise FileError(f"--out {out} exists already and is not overwritten: name another file, or delete it first")
    if out is not None and not out.parent.is_dir():
        raise FileError(f"--out {out}: the folder {out.parent} does not exist")
    path = directories[0].report if out is None else out
    write_report(directories, path)
    print(f"{path}  ({path.stat().st_size / 1e6:.1f} MB): open it in a browser")


def watch_arguments(parser: ArgumentParser) -> None:
    """The flags of `minigan watch`."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, also of one that is being trained")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="where it listens (default: any free port)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def watch_run(run: Path, port: int, no_browser: bool) -> None:
    """Serve the page of a run until Ctrl-C."""
    if not 0 <= port < 2**16:
        raise SettingsError(f"--port is {port}; it must be at least 0 and less than 65,536")
    try:
        server = watch(_directory(run).path, port)
    except SettingsError as error:
        raise SettingsError(in_flags(str(error), ["port"])) from None
    print(f"{server.address}  (Ctrl-C ends it)", flush=True)
    if not no_browser:
        webbrowser.open(server.address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        note("")
    finally:
        server.server_close()


def doctor_arguments(parser: ArgumentParser) -> None:
    """The flags of `minigan doctor`."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, also of one that is being trained")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print the findings as one JSON document")


def doctor(run: Path, as_json: bool) -> None:
    """Print what is wrong with a run."""
    directory = _directory(run)
    findings = examine(directory)
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings], indent=1))
        return
    if not findings:
        count = len(read_lines(directory.diagnostics)[1])
        short = f" in {counted(count, 'line')} of diagnostics; {LEAST} are needed to tell" if count < LEAST else ""
        print(f"{directory.path}: nothing found{short}")
    for finding in findings:
        print(finding)


def _directory(run: Path) -> RunDirectory:
    """The run's. Raises FileError if none is there."""
    folder = run.parent if run.is_file() else run
    if not folder.exists():
        raise FileError(f"{run}: no run is there{near_path(run)}")
    directory = RunDirectory(folder)
    directory.read_config()
    return directory
