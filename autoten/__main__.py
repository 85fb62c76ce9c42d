"""The command ``autoten FILE``: the rank of a tensor in a file or folder. Only the report is on stdout."""

from __future__ import annotations

import argparse
import ast
import csv
import glob
import inspect
import io
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NoReturn

from autoten._errors import AutotenWarning, refuse

# What an option may name, and where that is: loaded when it is chosen. The names of classes may stand there, too.
SOLVERS = {"als": "autoten:ALS", "hals": "autoten:HALS", "kl": "autoten:KL"}
HOLDOUTS = {
    "elements": "autoten:RandomElements",
    "fibres": "autoten:RandomFibres",
    "blocks": "autoten:Blocks",
    "counts": "autoten:CountSplit",
    "centred": "autoten:Centred",
}
POLICIES = {
    "calibrated": "autoten.selection:Calibrated",
    "one-standard-error": "autoten.selection:OneStandardError",
    "held-out-minimum": "autoten.selection:HeldOutMinimum",
    "knee": "autoten.selection:Knee",
    "harmonic-mean": "autoten.selection:HarmonicMean",
    "core-consistency": "autoten.selection:CoreConsistencyThreshold",
    "autoten2016": "autoten.selection:AutoTen2016",
}
SCORERS = {
    name: f"autoten.scores:{name.replace('-', '_')}_scores"
    for name in ("residual", "fit", "core-consistency", "nonnegative-core", "heldout", "stability")
}

# Option: what it may name, and an example with parameters.
NAMED: dict[str, tuple[Mapping[str, str], str]] = {
    "solver": (SOLVERS, '"hals((0, 2))"'),
    "holdout": (HOLDOUTS, '"fibres(emission, share=0.2)"'),
    "policy": (POLICIES, '"core-consistency(70)"'),
    "scorers": (SCORERS, "fit,heldout"),
}

# Options that name a file or folder to write, and how an estimate does it.
OUTPUTS: dict[str, Callable[[Any, Path], Any]] = {
    "plot": lambda estimate, path: estimate.plot(path),
    "plot_components": lambda estimate, path: _plot_components(estimate.model, path),
    "html": lambda estimate, path: estimate.to_html(path),
    "json": lambda estimate, path: estimate.to_json(path),
    "save": lambda estimate, path: estimate.save(path),
    "components": lambda estimate, path: estimate.model.to_csv(path),
}

# Options that say how a long table is read.
TABLE = ("modes", "values", "unlisted")

# Options of the command itself, which `estimate_rank` does not know.
OWN = ("file", "mask_scatter", "summary", "quiet", *TABLE, *OUTPUTS)

FILE = (
    "a .npy, .npz, .mat, .nc, .tns or .tns.gz file, NaN = missing; or a long .csv or .parquet table: below the names "
    "of its columns a row for each cell, its label in each mode and then its value, or as --modes and --values say; "
    "or a folder with a landscape of fluorescence (EEM) for each sample, as instruments write them"
)
EPILOG = """\
Solvers, hold-outs and policies are named alone, or with parameters
as in Python, in the words of the report:
  autoten X.npy --solver als,kl --holdout "Blocks(contiguous=True)"
  autoten X.csv --solver "hals([emission, excitation])" --policy knee

--summary prints pairs, key=value, between tabs: rank, probability,
alternatives, solver, solvers, ranks, complete, warnings, seconds, file.
Of several solvers, solvers has the rank by each, such as ALS:9,KL:1;
ranks are those in the table. The warnings follow on stderr.

Exit status:
  0    the answer is there
  1    it is, but not every other file: stderr names those
  2    a file or an option was unsuitable: one sentence says why
  3    the answer of what was done when Ctrl-C or --max-time ended it
  130  interrupted before there was an answer"""

UNWRITTEN = 1
INCOMPLETE = 3
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status, which the help explains."""
    try:
        options = _parser().parse_args(arguments)
        with _log_lines(options.quiet):
            return _run(options)
    except (ValueError, TypeError, OSError, MemoryError, ImportError) as error:
        print(f"autoten: {_in_options(str(error) or repr(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("autoten: interrupted before there was an answer.", file=sys.stderr)
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Refuses in one sentence, as all else of the command does."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print below its usage."""
        raise ValueError(f"{message}. See autoten --help.")


def _parser() -> argparse.ArgumentParser:
    """Return the options; their names are those of `estimate_rank`, and a test holds their defaults to its own."""
    parser = _Parser(
        prog="autoten",
        description="Estimate how many PARAFAC/CP components the tensor in FILE supports.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help=FILE)
    add("--version", action="version", version=f"%(prog)s {resolve_name('autoten:__version__')}")
    said = "columns of the table that are modes, quoted where a name has a comma"
    add("--modes", type=lambda names: next(csv.reader([names], skipinitialspace=True)), metavar="A,B,C", help=said)
    add("--values", metavar="COLUMN", help="column of the values (default with --modes: rows are events, counted)")
    add("--unlisted", choices=("zero", "missing"), help="what a combination is that no row of the table lists")
    said = "leave out scattered light of fluorescence within NM of its lines (default: nothing is left out)"
    add("--mask-scatter", type=float, metavar="NM", help=said)
    said = "candidate ranks: LAST for 1:LAST, FIRST:LAST, both included, or several of these, 1:4,8 (default 1:10)"
    add("--ranks", help=said)
    said = "how models are fitted, one or several; if none is named, kl takes part where the data look like counts"
    add("--solver", metavar="NAMES", help=f"{said}: {', '.join(SOLVERS)} (default als)")
    said = "what is hidden: single cells; fibres along a mode; a corner; a part of every count; cells, centred inside"
    add("--holdout", default="elements", metavar="NAME", help=f"{said}: {', '.join(HOLDOUTS)} (default elements)")
    said = f"how the rank is chosen: {', '.join(POLICIES)} (default calibrated)"
    add("--policy", default="calibrated", metavar="NAME", help=said)
    add("--scorers", metavar="NAMES", help=f"scores to take: {', '.join(SCORERS)} (default: all)")
    add("--starts", dest="n_starts", type=int, default=10, metavar="N", help="starts per rank (default 10)")
    add("--folds", dest="n_folds", type=int, default=5, metavar="N", help="held-out folds (default 5)")
    add("--splits", dest="n_splits", type=int, default=4, metavar="N", help="random splits into halves (default 4)")
    add("--max-time", type=float, metavar="SECONDS", help="fit nothing after this time (default: no limit)")
    said = "keep what is finished here; if the file is there, go on from it (default: nowhere)"
    add("--checkpoint", type=Path, metavar="NPZ", help=said)
    said = "estimate from parts of so many megabytes, which takes a share of the time (default: from the whole)"
    add("--parts", type=float, metavar="MB", help=said)
    add("--jobs", dest="n_jobs", type=int, default=1, metavar="N", help="workers; -1 for all cores (default 1)")
    add("--seed", dest="random_state", type=int, default=0, metavar="N", help="seed of the random numbers (default 0)")
    add("--plot", type=Path, metavar="PNG", help="write the overview picture here, as PNG, PDF, SVG (default: nowhere)")
    said = "write a picture of the components here, their largest entries where they have names (default: nowhere)"
    add("--plot-components", type=Path, metavar="PNG", help=said)
    add("--html", type=Path, metavar="HTML", help="write the report with its pictures as a web page (default: nowhere)")
    add("--json", type=Path, metavar="JSON", help="write the whole result here (default: nowhere)")
    add("--save", type=Path, metavar="NPZ", help="write it for autoten.load, models included (default: nowhere)")
    said = "write the components into this folder, a labelled CSV file for each mode (default: nowhere)"
    add("--components", type=Path, metavar="DIR", help=said)
    add("--summary", action="store_true", help="print one line for scripts in place of the report")
    add("--quiet", action="store_true", help="no progress and no forecast of time and memory on stderr")
    return parser


def _run(options: argparse.Namespace) -> int:
    targets = {name: getattr(options, name) for name in OUTPUTS if getattr(options, name) is not None}
    _check_targets(targets, {path.resolve() for path in (options.file, options.checkpoint) if path is not None})
    meaning = {"ranks": _ranks} | {name: partial(_named, name) for name in NAMED}
    chosen = {name: value for name, value in vars(options).items() if name not in OWN and value is not None}
    given = {name: meaning[name](value) if name in meaning else value for name, value in chosen.items()}
    if callable(given.get("scorers")):
        given["scorers"] = (given["scorers"],)
    # Imported here: `--help` and a mistyped option answer at once.
    from autoten.estimate import estimate_rank
    from autoten.parts import Parts

    if "parts" in given:
        given["parts"] = Parts(options.parts)
    estimate = estimate_rank(_data(options), progress=not options.quiet, **given)
    _print(_summary(estimate, options.file) if options.summary else estimate.report())
    if options.summary and not options.quiet:
        for warning in estimate.warnings:
            print(f"autoten: {warning}", file=sys.stderr)
    if not _write(estimate, targets):
        return UNWRITTEN
    return 0 if estimate.table.complete else INCOMPLETE


def _write(estimate: Any, targets: Mapping[str, Path]) -> bool:
    """Write the other files, and tell whether all are written: each is tried, unless the user interrupts."""
    left = dict(targets)
    for name, target in targets.items():
        try:
            OUTPUTS[name](estimate, target)
            del left[name]
        except KeyboardInterrupt:
            unwritten = ", ".join(map(str, left.values()))
            print(f"autoten: interrupted after the answer: not written: {unwritten}.", file=sys.stderr)
            break
        except Exception as error:  # noqa: BLE001 (whatever it is, the other files are written)
            message = f"autoten: {target} could not be written: {type(error).__name__}: {error}"
            print(message.splitlines()[0], file=sys.stderr)
    return not left


def _plot_components(model: Any, path: Path) -> None:
    from autoten.plots import plot_top

    plot_top(model)[0, 0].figure.savefig(path, dpi=200)


def _data(options: argparse.Namespace) -> Any:
    """Return the tensor in a file or a folder, without scattered light where that is asked."""
    from autoten.files import read_tensor
    from autoten.fluorescence import read_eems

    of_table = {name: getattr(options, name) for name in TABLE if getattr(options, name) is not None}
    if options.file.is_dir():
        if of_table:
            refuse(f"--{next(iter(of_table))}", "given with a table", f"the folder {options.file}")
        X = read_eems(options.file)
    else:
        try:
            X = read_tensor(options.file, **of_table)
        except ValueError as error:
            if of_table:
                raise
            try:  # whether it is one sample of a folder
                read_eems(options.file.parent, glob.escape(options.file.name))
            except ValueError:
                raise error from None
            remedy = "Give the folder with those of all samples."
            refuse("FILE", "a tensor", f"{options.file.name}, the landscape of one sample", remedy)
    if options.mask_scatter is None:
        return X
    from autoten.preprocess import drop_empty_slabs, mask_scatter

    return drop_empty_slabs(mask_scatter(X, width=options.mask_scatter))


def _ranks(text: str) -> Sequence[int]:
    ranges = []
    for part in text.split(","):
        first, colon, last = part.rpartition(":")
        first = first if colon else "1" if part == text else last
        if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
            expected = "LAST or FIRST:LAST with 1 <= FIRST <= LAST, or several of these, such as 8, 2:8 or 1:4,8"
            refuse("--ranks", expected, text or "nothing")
        ranges.append(range(int(first), int(last) + 1))
    return ranges[0] if len(ranges) == 1 else [rank for each in ranges for rank in each]


def _named(option: str, text: str) -> Any:
    """Return what an option names, with its parameters: as in Python, but that names of modes need no quotes."""
    known, example = NAMED[option]
    # Of a name outside parentheses a hyphen is a part.
    head = re.match(r"[\w\s,-]*", text)
    name = text if head is None else head[0].replace("-", "_") + text[head.end() :]
    try:
        return _meant(ast.parse(name.strip(), mode="eval").body, known, outside=True)
    except SyntaxError as error:
        why = f" ({error.msg})" if error.msg and error.lineno is None else ""
        refuse(f"--{option}", f"one of {', '.join(known)}, such as {example}", f"{text or 'nothing'}{why}")


def _meant(node: ast.expr, known: Mapping[str, str], *, outside: bool = False) -> Any:
    """Return the value of an expression of names, calls, tuples and literals; SyntaxError for anything else."""
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_meant(each, known, outside=outside) for each in node.elts)
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    found = _found(call.func.id, known) if isinstance(call.func, ast.Name) else None
    if found is not None:
        values = [_meant(each, known) for each in call.args]
        named = {str(each.arg): _meant(each.value, known) for each in call.keywords}
        return _made(found, *values, **named) if isinstance(found, type) or values or named else found
    if outside:
        raise SyntaxError
    if isinstance(node, ast.Name):
        return node.id
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise SyntaxError from None


def _found(name: str, known: Mapping[str, str]) -> Any:
    """Return what a name means: one of the command's own or of a class, in any case; None where it means nothing."""
    plain = name.replace("_", "").lower()
    for ours, place in known.items():
        if plain in (ours.replace("-", ""), place.partition(":")[2].lower()):
            return resolve_name(place)
    return None


def _made(made: Callable[..., Any], *values: Any, **named: Any) -> Any:
    """Return what a class makes of its parameters; SyntaxError if it has none such."""
    try:
        inspect.signature(made).bind(*values, **named)
    except TypeError as error:
        raise SyntaxError(str(error)) from error
    return made(*values, **named)


def _summary(estimate: Any, file: Path) -> str:
    """Return the answer in a line: pairs of key and value between tabs."""
    pairs = {
        "rank": estimate.rank,
        "probability": f"{estimate.probabilities.get(estimate.rank, 0.0):.4g}",
        "alternatives": ",".join(str(other.rank) for other in estimate.alternatives),
        "solver": estimate.table.solver,
        "solvers": ",".join(f"{name}:{each.rank}" for name, each in estimate.by_solver.items()),
        "ranks": f"{estimate.table.ranks[1]}:{estimate.table.ranks[-1]}",
        "complete": "yes" if estimate.table.complete else "no",
        "warnings": len(estimate.warnings),
        "seconds": f"{estimate.timings['total']:.3g}",
        "file": file,
    }
    return "\t".join(f"{key}={value}" for key, value in pairs.items())


def _check_targets(targets: Mapping[str, Path], taken: set[Path]) -> None:
    """Refuse, before any work, files that could not be written at its end, or that are taken."""
    for name, target in targets.items():
        option = f"--{name.replace('_', '-')}"
        if target.resolve() in taken:
            refuse(option, "a file of its own, neither FILE nor another output", str(target))
        taken.add(target.resolve())
        endings = _endings(name)
        if endings and target.suffix.lower() not in endings:
            refuse(option, f"a file whose name ends in one of {', '.join(endings)}", target.name)
        is_new, is_folder = not target.exists(), name == "components"
        try:
            target.mkdir(exist_ok=True) if is_folder else target.open("ab").close()
        except OSError as error:
            what = "folder" if is_folder else "file"
            refuse(option, f"a {what} that can be written", f"{target} ({error.strerror})")
        if is_new:
            target.rmdir() if is_folder else target.resolve().unlink()


def _endings(name: str) -> list[str]:
    """Return how the name of an output has to end; nothing where it may end in any way."""
    if name not in ("plot", "plot_components"):
        return [".npz"] if name == "save" else []
    from autoten.plots import writable_formats

    return [f".{each}" for each in writable_formats()]


class _Lines(logging.Handler):
    """Log lines on stderr, above the bar of the progress if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        from tqdm import tqdm

        tqdm.write(f"autoten: {_in_options(record.getMessage())}", file=sys.stderr)


@contextmanager
def _log_lines(quiet: bool) -> Iterator[None]:
    """Show what the package logs or warns of: forecasts and warnings, or warnings alone."""
    logger, lines = logging.getLogger("autoten"), _Lines()
    before = logger.level
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.addHandler(lines)
    show = warnings.showwarning

    def shown(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        logger.warning(message) if issubclass(category, AutotenWarning) else show(message, category, *where, **more)

    try:
        with warnings.catch_warnings(action="always", category=AutotenWarning):
            warnings.showwarning = shown
            yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before)


def _in_options(sentence: str) -> str:
    """Return what a function says of its arguments in words of the command: ``--starts`` for ``n_starts``."""
    options = {action.dest: f"{action.option_strings[-1]}" for action in _parser()._actions if action.option_strings}
    arguments, asked = "|".join(options), r" of (?:estimate_rank|read_tensor)\b"
    argument = rf"\b({arguments})(?:{asked}|(?= and (?:{arguments}){asked}))"
    sentence = re.sub(argument, lambda word: options[word[1]], sentence)
    sentence = re.sub(rf"\b({arguments})='(\w+)'", lambda said: f"{options[said[1]]} {said[2]}", sentence)
    return re.sub(r"(?<![\w-])(max_time|n_\w+|random_state)\b", lambda word: options.get(word[1], word[1]), sentence)


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
