"""Makes the files of tests/certificates: `python -m tests.make_certificates`; run by hand, its output is committed.

A file that is there already and differs only by chance (PKCS#12 has random salts) is kept. What each file is for stands
in it; how to add one without this script is told in tests/certificates/README.md.
"""

from __future__ import annotations

import sys

from .corpus.deviations import deviations
from .corpus.encodings import encodings, requests
from .corpus.hostile import bad_inputs, spoofs
from .corpus.limits import clients, limits, paths
from .corpus.others import chains, public, roots, strict
from .corpus.servers import apple, common
from .corpus.strangers import built, issuers, names, signatures, usable
from .corpus.writing import BY_CHANCE, FILES, FOLDER


def main():
    """Write the files, and remove those that are no longer made, but for what people added by hand."""
    for part in (
        apple,
        common,
        chains,
        clients,
        paths,
        limits,
        public,
        strict,
        roots,
        encodings,
        requests,
        bad_inputs,
        deviations,
        spoofs,
        signatures,
        built,
        issuers,
        names,
        usable,
    ):
        part()
    FOLDER.mkdir(exist_ok=True)
    for file_name, content in FILES.items():
        path = FOLDER / file_name
        if file_name not in BY_CHANCE or not path.exists():
            path.write_bytes(content)
    foreign = {path.name for path in FOLDER.iterdir()} - set(FILES) - {"README.md"}
    for file_name in sorted(foreign):
        print(f"not made here: {file_name}", file=sys.stderr)
    judged = [file_name for file_name in FILES if not file_name.endswith(".expect")]
    print(f"{len(judged)} files in {FOLDER.name}")


if __name__ == "__main__":
    main()
