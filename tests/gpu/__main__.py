"""Everything that can only be seen on an NVIDIA GPU, in some ten minutes: checks, benchmarks, the test suite.

    python -m tests.gpu [--out FOLDER] [--minutes 10] [--rounds 5] [--only WORD ...] [--missing]

Each part runs in a process of its own with a limit of its own: whatever happens to it, and to the GPU's context with
it, the others still run, the most telling ones first. gpu.json and gpu.md are written to the folder after every part; a
part for which there was no time is named there. Another call keeps what they say of parts that it does not run:
`--only` runs those whose names contain one of the words, `--missing` those that have not passed yet.

The benchmarks compare with PyTorch where one with CUDA is installed, TF32 set alike on both sides. They time whole
steps on a batch that lies on the device. The exit status is 1 if a check or the suite failed, or did not run.
"""

import argparse
import contextlib
import functools
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from minigan.backend import usability
from tests.gpu import timing
from tests.gpu.checks import CHECKS, QUESTIONS, SYSTEMS

ROOT = Path(__file__).parent.parent.parent
WAYS = ("minigan graph", "minigan no-graph", "torch eager", "torch graph", "torch compile")
FIRST = ("mnist_mlp_gan", "mnist_dcgan", "celeba_dcgan")  # to be timed
PRODUCTS = ((False, "float32"), (True, "TF32"))
LIMIT, SUITE_LIMIT = 120, 360  # seconds


def run_suite():
    """The whole test suite, in which the `backend` fixture finds the GPU; in many processes where xdist is there."""
    options = "-q -rf --tb=short -p no:cacheprovider -p no:benchmark"
    if importlib.util.find_spec("xdist"):
        options += f" -n {max(1, (os.cpu_count() or 1) // 2)}"
    command = [sys.executable, "-m", "pytest", *options.split()]
    # Tests start examples, also where minigan is not installed.
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    print(done.stdout[-6000:], flush=True)
    last = done.stdout.strip().splitlines()[-1:]
    if done.returncode:
        raise RuntimeError(f"pytest: {' '.join(last) or done.stderr[-300:]}")
    return last[0]


def parts(rounds):
    """(kind, what it computes) of every part, by name, the most telling ones first."""
    found = {f"check: {name}": ("check", check) for name, check in CHECKS.items()}
    for name in FIRST:
        found[f"launches: {name}"] = "launches", lambda name=name: timing.time_launches(name, rounds)
    for name in FIRST:
        found |= timed(name, "minigan", "eager", "graph", rounds=rounds)
    found["suite"] = "suite", run_suite
    found |= {f"question: {name}": ("question", question) for name, question in QUESTIONS.items()}
    for name in FIRST[1:]:
        for tf32, words in PRODUCTS:
            at = f"layers: {name}, {words}"
            found[at] = "layers", lambda name=name, tf32=tf32: timing.time_layers(name, tf32, rounds)
    for name in FIRST:
        found |= timed(name, "compile", rounds=rounds)
    for name in SYSTEMS:
        found |= timed(name, "minigan", "eager", "graph", "compile", rounds=rounds) if name not in FIRST else {}
    return found


def timed(name, *sides, rounds):
    """The parts that time a system: minigan, and PyTorch's ways."""
    found = {}
    for tf32, words in PRODUCTS:
        for side in sides:
            if side == "minigan":
                work = functools.partial(timing.time_minigan, name, tf32, rounds)
            else:
                work = functools.partial(timing.time_torch, name, tf32, side, rounds)
            found[f"time: {name}, {words}, {side}"] = "time", work
    return found


def compute(work):
    """{"passed", "seen"} of one part."""
    try:
        return {"passed": True, "seen": work()}
    except Exception as error:
        traceback.print_exc()
        return {"passed": False, "seen": f"{type(error).__name__}: {error}"[:300]}


def compute_apart(name, rounds, limit):
    """The same in a process of its own, which is killed at its limit, with all that it started."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "tests.gpu", "--part", name, "--result", str(result), "--rounds", str(rounds)]
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            return {"passed": False, "seen": f"took longer than {limit:.0f} seconds"}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not result.exists():
            return {"passed": False, "seen": f"its process ended with status {status}"}
        return json.loads(result.read_text(encoding="utf-8"))


def run_parts(chosen, report, arguments, write):
    """Every part in turn, as long as there is time; the report is written after each."""
    deadline = time.monotonic() + 60 * arguments.minutes
    for name, (kind, _) in chosen.items():
        start, left = time.monotonic(), deadline - time.monotonic()
        if left < 5:
            found = {"passed": False, "seen": f"not reached in {arguments.minutes:g} minutes"}
        else:
            found = compute_apart(name, arguments.rounds, min(left, SUITE_LIMIT if kind == "suite" else LIMIT))
        report["parts"][name] = found | {"kind": kind, "seconds": round(time.monotonic() - start, 1)}
        print(name, report["parts"][name], flush=True)
        write()


# The report. ---------------------------------------------------------------------------------------------------------


def row(*cells):
    """A line of a Markdown table."""
    return f"| {' | '.join(str(cell).replace(chr(10), ' ').replace('|', '/') for cell in cells)} |"


def table(report):
    """The report as Markdown."""
    of_kind = {kind: {} for kind in ("check", "question", "launches", "time", "layers", "suite")}
    for name, found in report["parts"].items():
        of_kind[found["kind"]][name.partition(": ")[2] or name] = found
    lines = [f"# minigan on {report['device']}", "", f"{report['date']}, {report['host']}; {report['torch']}", ""]
    lines += [row("check", "", "seen"), "|---|---|---|"]
    for kind in ("check", "suite", "question"):
        for name, found in of_kind[kind].items():
            verdict = "passed" if found["passed"] else "**failed**"
            lines.append(row(name, "-" if kind == "question" and found["passed"] else verdict, found["seen"]))
    lines += ["", "Milliseconds a step.", "", row("system, products", *WAYS), "|---" * (1 + len(WAYS)) + "|"]
    steps = {}
    for name, found in of_kind["time"].items():
        cells = steps.setdefault(name.rpartition(", ")[0], {})
        cells |= found["seen"] if found["passed"] else {}
    lines += [row(at, *(f"{cells[way]:.3f}" if way in cells else "-" for way in WAYS)) for at, cells in steps.items()]
    failed = [f"{name}: {found['seen']}" for name, found in of_kind["time"].items() if not found["passed"]]
    lines += ["", *(f"- {line}".replace("\n", " ") for line in failed)]
    titles = {"launches": "Launches of a step's graph, in milliseconds.", "layers": "Convolutions, in milliseconds."}
    for kind, title in titles.items():
        lines += ["", title, ""]
        for name, found in of_kind[kind].items():
            if not found["passed"]:
                lines.append(f"- {name}: {found['seen']}")
                continue
            rows = found["seen"] if isinstance(found["seen"], list) else [{"": name} | found["seen"]]
            lines += [name, "", row(*rows[0]), "|---" * len(rows[0]) + "|"]
            lines += [row(*(f"{v:.4f}" if isinstance(v, float) else v for v in one.values())) for one in rows]
            lines.append("")
    return "\n".join(lines) + "\n"


def torch_words():
    """Which PyTorch is compared with, in words."""
    try:
        import torch
    except Exception as error:
        return f"no PyTorch ({error})"
    return f"PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"


def read_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu_report"), help="the folder of gpu.json and gpu.md")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[""], help="parts whose names contain one of these")
    parser.add_argument("--missing", action="store_true", help="parts that have not passed, as gpu.json says")
    parser.add_argument("--part", help="for the script itself: one part, in this process")
    parser.add_argument("--result", type=Path, help="for the script itself: the file of its result")
    return parser.parse_args(argv)


def main(argv=None):
    arguments = read_arguments(argv)
    found = parts(arguments.rounds)
    if arguments.part:
        arguments.result.write_text(json.dumps(compute(found[arguments.part][1])), encoding="utf-8")
        return 0
    usable, words = usability()["cupy"]
    if not usable:
        raise SystemExit(f"no GPU to test on: {words}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "gpu.json"
    kept = json.loads(file.read_text(encoding="utf-8"))["parts"] if file.exists() else {}
    report = {"device": words, "date": time.strftime("%Y-%m-%d"), "host": platform.platform(), "torch": torch_words()}
    report["parts"] = kept

    def write():
        file.write_text(json.dumps(report, indent=1), encoding="utf-8")
        (arguments.out / "gpu.md").write_text(table(report), encoding="utf-8")

    chosen = {name: part for name, part in found.items() if any(word in name for word in arguments.only)}
    if arguments.missing:
        chosen = {name: part for name, part in chosen.items() if not kept.get(name, {}).get("passed")}
    run_parts(chosen, report, arguments, write)
    print(table(report))
    return int(any(not part["passed"] for part in report["parts"].values() if part["kind"] in ("check", "suite")))


if __name__ == "__main__":
    os.environ.setdefault("CUPY_CACHE_DIR", str(Path(tempfile.gettempdir()) / "minigan-cupy-cache"))
    sys.exit(main())
