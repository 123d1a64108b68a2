#!/bin/sh
# Makes the databases in this directory with rpm's own tools.
#
# Needs (Debian): rpm, python3-rpm, db5.3-util, gzip. The ndb file is written here, since Debian's rpm cannot. Every package is built here and empty but for
# file names. Run it in this directory; the result differs from run to run in times and build host only.
set -eu
here=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000

cat > "$work/sample.spec" <<'SPEC'
%define _build_name_fmt %%{NAME}.rpm
%define _buildhost build.example
Name: sample
Version: 1.2.3
Release: 4.el9
Epoch: 2
Summary: sample
License: MIT AND (Apache-2.0 OR BSD-3-Clause)
Vendor: Example Vendor
ModularityLabel: sample:9:8040020210127:522a0ee4
%description
sample
%files
%package -n libsample
Summary: library
Epoch: 0
Version: 7.1~rc1
License: LGPL-2.1-or-later
%description -n libsample
library
%files -n libsample
%package -n many-files
Summary: files
BuildArch: noarch
%description -n many-files
files
%files -n many-files
/usr
%package -n gone
Summary: erased again
%description -n gone
erased again
%files -n gone
%package -n added
Summary: in the log only
%description -n added
in the log only
%files -n added
%{lua:
for n = 1, 24 do
    print("\n%package -n small"..n.."\nSummary: small\n%description -n small"..n.."\nsmall\n%files -n small"..n.."\n")
end
}
%install
site=%{buildroot}/usr/lib/python3.9/site-packages/demo-1.0.dist-info
node=%{buildroot}/usr/lib/node_modules/demo
mkdir -p "$site" "$node/lib" %{buildroot}/usr/share/many
touch "$site/METADATA" "$site/RECORD" "$node/package.json" "$node/lib/package.json"
for n in $(seq 400); do touch "%{buildroot}/usr/share/many/file-$n"; done
SPEC
cat > "$work/plain.spec" <<'SPEC'
%define _build_name_fmt %%{NAME}.rpm
%define _buildhost build.example
Name: plain
Version: 1.0
Release: 1
Summary: plain
License: MIT
BuildArch: noarch
%description
plain
%files
%package -n gpg-pubkey
Summary: as rpm records a trusted key
%description -n gpg-pubkey
as rpm records a trusted key
%files -n gpg-pubkey
SPEC
for spec in plain sample; do
    rpmbuild -bb --quiet --define "_topdir $work" --define "_build_id_links none" "$work/$spec.spec" >/dev/null 2>&1
done
cd "$work/RPMS"
mv added.rpm ../added.rpm

pack() { gzip -9nc "$1" > "$here/$2.gz"; }
run() {
    command=$1
    shift
    case $command in --install) set -- --nosignature --ignorearch "$@" ;; esac
    case $command in --initdb) ;; *) set -- --justdb --nodeps "$@" ;; esac
    rpm --dbpath "$db" --define "_db_backend sqlite" "$command" "$@" 2>/dev/null
}
db=$work/sqlite
mkdir "$db"
run --initdb
run --install gone.rpm
for package in plain gpg-pubkey libsample sample many-files $(seq -f 'small%.0f' 24); do
    run --install "$package.rpm"
done
run --erase gone
mkdir "$work/other" && db=$work/other
run --initdb
run --install ../added.rpm

python3 - "$work" <<'PYTHON'
import shutil, sqlite3, struct, subprocess, sys, zlib
work = sys.argv[1]
database = f"{work}/sqlite/rpmdb.sqlite"
connection = sqlite3.connect(database, isolation_level=None)
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
# The indexes are not read by anybody here, and large.
for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
    if name not in ("Packages", "sqlite_sequence", "Name"):
        connection.execute(f"DELETE FROM '{name}'")
connection.execute("VACUUM")
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
shutil.copy(database, f"{work}/rpmdb.sqlite")
headers = connection.execute("SELECT hnum, blob FROM Packages").fetchall()
(added,) = sqlite3.connect(f"{work}/other/rpmdb.sqlite").execute("SELECT blob FROM Packages").fetchone()

# A log with two commits and a beginning of a third.
connection.execute("PRAGMA wal_autocheckpoint = 0")
connection.execute("PRAGMA cache_size = 2")
number = headers[-1][0] + 1
(plain,) = connection.execute("SELECT hnum FROM Name WHERE key = 'plain'").fetchone()
connection.execute("DELETE FROM Packages WHERE hnum = ?", (plain,))
connection.execute("DELETE FROM Name WHERE hnum = ?", (plain,))
connection.execute("BEGIN")
connection.execute("INSERT INTO Packages VALUES (?, ?)", (number, added))
connection.execute("INSERT INTO Name VALUES ('added', ?, 0)", (number,))
connection.execute("COMMIT")
connection.execute("BEGIN")
connection.execute("DELETE FROM Packages")
connection.execute("UPDATE Name SET idx = 7")
shutil.copy(database + "-wal", f"{work}/rpmdb.sqlite-wal")

for name, order, page in (("le", 1234, 4096), ("be", 4321, 512), ("inline", 1234, 65536)):
    pack = "<I" if order == 1234 else ">I"
    pairs = [(0, struct.pack(pack, headers[-1][0]))] + headers
    dump = f"VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize={page}\ndb_lorder={order}\nHEADER=END\n"
    dump += "".join(f" {struct.pack(pack, n).hex()}\n {blob.hex()}\n" for n, blob in pairs) + "DATA=END\n"
    subprocess.run(["db5.3_load", f"{work}/Packages.{name}"], input=dump.encode(), check=True)

# ndb, after rpm's lib/backend/ndb/rpmpkg.c: one page of slots, a hole where a package was erased.
slots = struct.pack("<4s7I", b"RpmP", 0, 40, 1, headers[-1][0] + 1, 0, 0, 0) + struct.pack("<4s3I", b"Slot", 0, 0, 0)
blobs = bytes(160)
for number, blob in headers:
    body = struct.pack("<4s3I", b"BlbS", number, 1700000000, len(blob)) + blob
    body += bytes(-(len(body) + 12) % 16)
    tail = struct.pack("<II4s", zlib.adler32(body), len(blob), b"BlbE")
    slots += struct.pack("<4s3I", b"Slot", number, (4096 + len(blobs)) // 16, len(body + tail) // 16)
    blobs += body + tail
slots += struct.pack("<4s3I", b"Slot", 0, 0, 0) * ((4096 - len(slots)) // 16)
open(f"{work}/Packages.db", "wb").write(slots + blobs)
PYTHON
cd "$work"
for name in rpmdb.sqlite rpmdb.sqlite-wal Packages.db Packages.le Packages.be Packages.inline; do pack "$name" "$name"; done

# What rpm reads in each of them.
for name in sqlite log ndb le be inline; do
    mkdir -p "check/$name"
    case $name in
    sqlite) cp rpmdb.sqlite "check/$name/"; backend=sqlite ;;
    log) cp rpmdb.sqlite rpmdb.sqlite-wal "check/$name/"; backend=sqlite ;;
    ndb) cp Packages.db "check/$name/"; backend=ndb ;;
    *) cp "Packages.$name" "check/$name/Packages"; backend=bdb_ro ;;
    esac
    /usr/bin/python3 "$here/oracle.py" packages "check/$name" "$backend" > "check/$name.packages"
    /usr/bin/python3 "$here/oracle.py" files "check/$name" "$backend" | grep -e METADATA -e package.json > "check/$name.files"
done
wc -l check/*.packages check/*.files
cmp check/sqlite.packages check/ndb.packages
cmp check/sqlite.packages check/le.packages
cmp check/sqlite.packages check/be.packages
cmp check/sqlite.packages check/inline.packages
cp check/sqlite.packages "$here/packages.tsv"
cp check/log.packages "$here/packages-after-log.tsv"
cp check/sqlite.files "$here/files.tsv"
