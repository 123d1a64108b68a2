#!/usr/bin/python3
"""What rpm itself reads in a database: the oracle of the readers.

    oracle.py packages DIR BACKEND   name, epoch, version, release, architecture, source, licence, vendor, module
    oracle.py files DIR BACKEND      name, path

BACKEND is sqlite, bdb_ro or ndb. DIR must be writable: SQLite leaves its files there. Not every build of rpm
has the ndb backend: there, the blobs are cut out by their marks (not by the table of slots, as the reader under
test does it) and given to rpm's own header parser. Needs rpm's Python module (Debian: python3-rpm). Exits with 3
where that is missing.
"""

import mmap
import os
import struct
import sys

try:
    import rpm
except ImportError:
    sys.exit(3)

FORMATS = {
    "packages": "%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{LICENSE}\t%{VENDOR}\t%{MODULARITYLABEL}\n",
    "files": "[%{=NAME}\t%{FILENAMES}\n]",
}


def ndb_headers(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"BlbS")
        while at != -1:
            (length,) = struct.unpack_from("<I", data, at + 12)
            end = (at + 16 + length + 12 + 15) // 16 * 16
            if at % 16 == 0 and data[end - 4 : end] == b"BlbE":
                yield rpm.hdr(data[at + 16 : at + 16 + length])
                at = end - 1
            at = data.find(b"BlbS", at + 1)


def headers(directory, backend):
    if backend == "ndb":
        return ndb_headers(os.path.join(directory, "Packages.db"))
    rpm.addMacro("_dbpath", os.path.realpath(directory))
    rpm.addMacro("_db_backend", backend)
    # Signatures are not what is asked for: all headers are taken as they are.
    transaction = rpm.TransactionSet("/", rpm._RPMVSF_NOSIGNATURES | rpm._RPMVSF_NODIGESTS)
    return transaction.dbMatch()


# The indexes of a Berkeley DB database may be missing, which rpm remarks on.
log = open(os.devnull, "w")
rpm.setLogFile(log)
what, directory, backend = sys.argv[1:4]
lines = "".join(h.sprintf(FORMATS[what]) for h in headers(directory, backend) if h["name"] != "gpg-pubkey")
sys.stdout.write("".join(sorted(lines.splitlines(keepends=True))))
