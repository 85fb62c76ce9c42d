"""``python -m autoten FILE``: the rank of the tensor in a file. Progress on stderr, the report on stdout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from autoten._validation import refuse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 with one sentence on stderr when the file or an option is unsuitable."""
    parser = argparse.ArgumentParser(
        prog="python -m autoten", description="Estimate how many PARAFAC/CP components the tensor in FILE supports."
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a .npy, .npz, .mat, .tns or .tns.gz file; NaN = missing"
    )
    parser.add_argument("--ranks", default="1:10", help="candidate ranks FIRST:LAST, both included (default 1:10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="workers; -1 for all cores (default 1)")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="write the overview picture here")
    parser.add_argument("--html", type=Path, metavar="HTML", help="write the report with its pictures as a web page")
    parser.add_argument("--json", type=Path, metavar="JSON", help="write the whole result here")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except (ValueError, TypeError, OSError) as error:
        print(f"autoten: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    # Imported here: `--help` and a mistyped option answer at once.
    from autoten.estimate import estimate_rank
    from autoten.io import read_tensor

    for target in (options.plot, options.html, options.json):
        if target is not None and not target.parent.is_dir():
            refuse("the folder to write to", "an existing folder", str(target.parent))
    estimate = estimate_rank(
        read_tensor(options.file),
        _ranks(options.ranks),
        random_state=options.seed,
        n_jobs=options.jobs,
        progress=True,
    )
    if options.json is not None:
        options.json.write_text(estimate.to_json() + "\n", encoding="utf-8")
    if options.html is not None:
        estimate.to_html(options.html)
    if options.plot is not None:
        estimate.plot(options.plot)
    # Last: whoever reads the report may close the pipe early, and the files should be there all the same.
    print(estimate.report())


def _ranks(text: str) -> range:
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        refuse("--ranks", "FIRST:LAST with 1 <= FIRST <= LAST, such as 1:10", text)
    return range(int(first), int(last) + 1)


if __name__ == "__main__":
    sys.exit(main())
