"""The command ``autoten FILE``: the rank of the tensor in a file. Progress on stderr, the report on stdout."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from autoten._errors import refuse

# What an option may say, and the public class that it means, loaded when it is chosen; policies are in `selection`.
SOLVERS = {"als": "ALS", "hals": "HALS", "kl": "KL"}
HOLDOUTS = {"elements": "RandomElements", "fibres:MODE": "RandomFibres", "blocks": "Blocks", "counts": "CountSplit"}
POLICIES = {
    "calibrated": "Calibrated",
    "one-standard-error": "OneStandardError",
    "held-out-minimum": "HeldOutMinimum",
    "knee": "Knee",
    "harmonic-mean": "HarmonicMean",
    "core-consistency": "CoreConsistencyThreshold",
    "autoten2016": "AutoTen2016",
}

# Options that name a file to write.
OUTPUTS = ("plot", "html", "json")

FILE = (
    "a .npy, .npz, .mat, .tns or .tns.gz file, NaN = missing; or a long .csv table: a row for each cell, its label in "
    "each mode and then its value, below a header of names"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0, or 2 with one sentence on stderr when the file or an option is unsuitable, 1 when the report is there and another
    file could not be written after all, and 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (ValueError, TypeError, OSError, MemoryError) as error:
        print(f"autoten: {str(error) or repr(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("autoten: interrupted.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    """Return the options; their names are those of `estimate_rank`, and a test holds their defaults to its own."""
    parser = argparse.ArgumentParser(
        prog="autoten",
        description="Estimate how many PARAFAC/CP components the tensor in FILE supports.",
        epilog="Exit status: 0; 2 for an unsuitable file or option; 1 if only PNG, HTML or JSON could not be written.",
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help=FILE)
    add("--ranks", help="candidate ranks, LAST for 1:LAST or FIRST:LAST, both included (default 1:10)")
    said = "how models are fitted; if none is named, kl takes part where the data look like counts (default als)"
    add("--solver", choices=SOLVERS, help=said)
    said = "what is hidden: single cells; fibres along a mode, counted from 0; a corner; a part of every count"
    add("--holdout", default="elements", metavar=f"{{{','.join(HOLDOUTS)}}}", help=f"{said} (default elements)")
    said = f"how the rank is chosen: {', '.join(POLICIES)} (default calibrated)"
    add("--policy", choices=POLICIES, default="calibrated", metavar="POLICY", help=said)
    add("--starts", dest="n_starts", type=int, default=10, metavar="N", help="starts per rank (default 10)")
    add("--folds", dest="n_folds", type=int, default=5, metavar="N", help="held-out folds (default 5)")
    add("--splits", dest="n_splits", type=int, default=4, metavar="N", help="random splits into halves (default 4)")
    add("--max-time", type=float, metavar="SECONDS", help="fit nothing after this time (default: no limit)")
    add("--jobs", dest="n_jobs", type=int, default=1, metavar="N", help="workers; -1 for all cores (default 1)")
    add("--seed", dest="random_state", type=int, default=0, metavar="N", help="seed of the random numbers (default 0)")
    add("--plot", type=Path, metavar="PNG", help="write the overview picture here, as PNG, PDF, SVG (default: nowhere)")
    add("--html", type=Path, metavar="HTML", help="write the report with its pictures as a web page (default: nowhere)")
    add("--json", type=Path, metavar="JSON", help="write the whole result here (default: nowhere)")
    return parser


def _run(options: argparse.Namespace) -> int:
    _check_targets(options)
    given = {name: value for name, value in vars(options).items() if name not in ("file", *OUTPUTS)}
    given["ranks"] = options.ranks if options.ranks is None else _ranks(options.ranks)
    given["holdout"] = _holdout(options.holdout)
    given["solver"] = options.solver and resolve_name(f"autoten:{SOLVERS[options.solver]}")()
    given["policy"] = resolve_name(f"autoten.selection:{POLICIES[options.policy]}")()
    # Imported here: `--help` and a mistyped option answer at once.
    from autoten.estimate import estimate_rank
    from autoten.files import read_tensor

    estimate = estimate_rank(read_tensor(options.file), progress=True, **given)
    _print(estimate.report())
    writers: dict[str, Callable[[Path], Any]] = {
        "json": lambda path: path.write_text(estimate.to_json() + "\n", encoding="utf-8"),
        "html": estimate.to_html,
        "plot": estimate.plot,
    }
    status = 0
    for name, write in writers.items():
        target = getattr(options, name)
        try:
            if target is not None:
                write(target)
        except Exception as error:  # noqa: BLE001 (whatever it is, the other files are written)
            message = f"autoten: {target} could not be written: {type(error).__name__}: {error}"
            print(message.splitlines()[0], file=sys.stderr)
            status = 1
    return status


def _ranks(text: str) -> range:
    first, colon, last = text.rpartition(":")
    first = first if colon else "1"
    if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        refuse("--ranks", "LAST or FIRST:LAST with 1 <= FIRST <= LAST, such as 8 or 2:8", text or "nothing")
    return range(int(first), int(last) + 1)


def _holdout(text: str) -> Any:
    name, colon, mode = text.partition(":")
    chosen = HOLDOUTS.get(f"{name}:MODE" if colon else name)
    if chosen is None or (colon and not mode):
        refuse("--holdout", f"one of {', '.join(HOLDOUTS)}, such as fibres:1", text or "nothing")
    return resolve_name(f"autoten:{chosen}")(*[int(mode) if mode.lstrip("-").isdecimal() else mode] if colon else ())


def _check_targets(options: argparse.Namespace) -> None:
    """Refuse, before any work, files that could not be written at its end."""
    taken = {options.file.resolve()}
    for name in OUTPUTS:
        target = getattr(options, name)
        if target is None:
            continue
        if target.resolve() in taken:
            refuse(f"--{name}", "a file of its own, neither FILE nor another output", str(target))
        taken.add(target.resolve())
        if name == "plot":
            from autoten.plots import writable_formats

            if target.suffix.lower()[1:] not in writable_formats():
                refuse("--plot", f"a file whose name ends in one of .{', .'.join(writable_formats())}", target.name)
        is_new = not target.exists()
        try:
            target.open("ab").close()
        except OSError as error:
            refuse(f"--{name}", "a file that can be written", f"{target} ({error.strerror})")
        if is_new:
            target.resolve().unlink()


def _print(text: str) -> None:
    """Print to stdout, whatever its encoding, and whether or not anybody still reads it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        sys.stdout = None  # or the interpreter complains when it flushes it at its end


if __name__ == "__main__":
    sys.exit(main())
