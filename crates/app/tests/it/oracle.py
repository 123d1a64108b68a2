#!/usr/bin/python3
"""What other programs find in an image: the oracle of the scanner on real images.

    oracle.py IMAGE PLATFORM ADVISORIES

IMAGE is `oci:DIR:TAG` or `docker-archive:FILE`, PLATFORM `linux/amd64`, ADVISORIES a directory of OSV records as
JSON lines (`*osv.jsonl.zst`). Prints sorted lines:

    P <kind> <name> <version> <architecture of an OS package, path of a language package> <owner>
    F <package> <version> <advisory>

separated by tabs. Layers are put together by umoci (or by tarfile), packages are listed by dpkg-query, rpm's Python
module, importlib.metadata and json, versions are compared by dpkg, rpm and packaging; what no such tool exists for
(apk, npm) is short enough here to be read. Nothing of it knows the scanner. Exits with 3 where a tool is missing.
"""

import collections
import functools
import glob
import gzip
import importlib.metadata
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile

try:
    import rpm
    from packaging.version import InvalidVersion, Version
except ImportError:
    sys.exit(3)

# name: what advisories of its ecosystem call it; version: what they compare. `shown` and `number` are the package's own.
Package = collections.namedtuple("Package", "kind shown number name version place owner module")


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options).stdout


# --- the image's file system ---


def unpack(image, platform, scratch):
    scheme, rest = image.split(":", 1)
    root = os.path.join(scratch, "root")
    if scheme == "docker-archive":
        unpack_docker_archive(rest, root)
        return root
    layout, tag = rest.rsplit(":", 1)
    blob = lambda descriptor: os.path.join(layout, "blobs", descriptor["digest"].replace(":", "/"))
    index = json.load(open(os.path.join(layout, "index.json")))
    (chosen,) = (m for m in index["manifests"] if m["annotations"]["org.opencontainers.image.ref.name"] == tag)
    if chosen["mediaType"].endswith("index.v1+json"):
        wanted = dict(zip(("os", "architecture"), platform.split("/")))
        manifests = json.load(open(blob(chosen)))["manifests"]
        (chosen,) = (m for m in manifests if wanted.items() <= m["platform"].items())
    # umoci takes no index: a layout of this one image, beside the original and sharing its blobs.
    one = os.path.join(scratch, "layout")
    os.mkdir(one)
    os.symlink(os.path.abspath(os.path.join(layout, "blobs")), os.path.join(one, "blobs"))
    shutil.copy(os.path.join(layout, "oci-layout"), one)
    chosen["annotations"] = {"org.opencontainers.image.ref.name": "one"}
    json.dump({"schemaVersion": 2, "manifests": [chosen]}, open(os.path.join(one, "index.json"), "w"))
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    run("umoci", "raw", "unpack", *rootless, "--image", f"{one}:one", root)
    return root


def unpack_docker_archive(path, root):
    with tarfile.open(path) as archive:
        (image,) = json.load(archive.extractfile("manifest.json"))
        for name in image["Layers"]:
            layer = tarfile.open(fileobj=archive.extractfile(name))
            for member in layer:
                directory, base = os.path.split(os.path.join(root, member.name))
                if base.startswith(".wh."):
                    sys.exit("whiteouts in a docker archive: not implemented, for want of a sample")
                if member.isfile() or member.isdir() or member.issym() or member.islnk():
                    member.mode |= 0o700
                    layer.extract(member, root)


# --- its packages ---


def os_release(root):
    for path in ("etc/os-release", "usr/lib/os-release"):
        try:
            lines = open(os.path.join(root, path)).read().splitlines()
        except OSError:
            continue
        fields = dict(line.split("=", 1) for line in lines if "=" in line)
        return fields["ID"].strip('"'), fields.get("VERSION_ID", "").strip('"')
    return "", ""


def dpkg_packages(root, scratch):
    admin = os.path.join(root, "var/lib/dpkg")
    parts = [p for p in sorted(glob.glob(admin + "/status.d/*")) if not p.endswith(".md5sums")]
    if parts:
        # Distroless: one stanza a file, without a state. With one, dpkg reads them as its own.
        admin = os.path.join(scratch, "dpkg")
        os.makedirs(admin + "/info")
        os.mkdir(admin + "/updates")
        with open(admin + "/status", "w") as status:
            for part in parts:
                status.write(open(part).read().strip().replace("\n", "\nStatus: install ok installed\n", 1) + "\n\n")
    if not os.path.exists(admin + "/status"):
        return
    fields = "db:Status-Status Package Version source:Package source:Version Architecture".split()
    form = "\t".join("${%s}" % field for field in fields) + "\n"
    for line in run("dpkg-query", f"--admindir={admin}", "-W", "-f", form, text=True).splitlines():
        state, name, version, source, source_version, arch = line.split("\t")
        if state not in ("not-installed", "config-files"):
            yield Package("deb", name, version, source, source_version, arch, "", "")


def apk_packages(root):
    path = os.path.join(root, "lib/apk/db/installed")
    if not os.path.exists(path):
        return
    for stanza in open(path, encoding="utf-8").read().split("\n\n"):
        # Field names are one letter; of those that files repeat, none is of interest.
        fields = dict(line.split(":", 1) for line in stanza.splitlines() if line[1:2] == ":")
        if "P" in fields:
            origin = fields.get("o", fields["P"])
            yield Package("apk", fields["P"], fields["V"], origin, fields["V"], fields["A"], "", "")


def rpm_headers(root, scratch):
    for place in ("var/lib/rpm", "usr/lib/sysimage/rpm"):
        directory = os.path.join(root, place)
        if os.path.exists(directory + "/rpmdb.sqlite"):
            rpm.addMacro("_dbpath", os.path.realpath(directory))
            rpm.addMacro("_db_backend", "sqlite")
            # Signatures are not what is asked for.
            transaction = rpm.TransactionSet("/", rpm._RPMVSF_NOSIGNATURES | rpm._RPMVSF_NODIGESTS)
            yield from transaction.dbMatch()
        elif os.path.exists(directory + "/Packages.db"):
            # Debian's rpm is built without the ndb backend: the blobs are cut out by their marks and given to rpm's
            # header parser. A blob: BlbS, number, generation, length, the header, checksum and length again, BlbE.
            data = open(directory + "/Packages.db", "rb").read()
            at = data.find(b"BlbS")
            while at != -1:
                (length,) = struct.unpack_from("<I", data, at + 12)
                end = (at + 16 + length + 12 + 15) // 16 * 16
                if at % 16 == 0 and data[end - 4 : end] == b"BlbE":
                    yield rpm.hdr(data[at + 16 : at + 16 + length])
                    at = end - 1
                at = data.find(b"BlbS", at + 1)


def rpm_packages(root, scratch):
    for header in rpm_headers(root, scratch):
        if header["name"] != "gpg-pubkey":  # a key, kept like a package
            epoch = f"{header['epoch']}:" if header["epoch"] else ""
            version = f"{epoch}{header['version']}-{header['release']}"
            module = header["modularitylabel"] or ""
            yield Package("rpm", header["name"], version, header["name"], version, header["arch"], "", module)


def language_packages(root):
    """What lies in the file system, whoever put it there."""
    owners = {}
    for path in glob.glob(os.path.join(root, "var/lib/dpkg/info/*.list")):
        owner = os.path.basename(path)[: -len(".list")].split(":")[0]
        for line in open(path, encoding="utf-8", errors="surrogateescape"):
            if re.search(r"/(METADATA|PKG-INFO|package\.json)$|\.egg-info$", line.rstrip("\n")):
                owners[os.path.realpath(root + line.rstrip("\n"))] = owner
    for directory, folders, files in os.walk(root):
        found = []
        for name in folders + files:
            path = os.path.join(directory, name)
            if name.endswith((".dist-info", ".egg-info")):
                record = next((p for p in (path + "/METADATA", path + "/PKG-INFO", path) if os.path.isfile(p)), None)
                if record:
                    metadata = importlib.metadata.Distribution.at(path).metadata
                    found.append(("pypi", metadata["Name"], metadata["Version"], record))
        # node_modules/NAME and node_modules/@SCOPE/NAME are what npm installs; all else are parts of packages.
        if "package.json" in files and re.search(r"/node_modules/(@[^/]+/)?[^/@.][^/]*$", directory):
            manifest = json.load(open(directory + "/package.json", encoding="utf-8"))
            if manifest.get("name") and manifest.get("version"):
                found.append(("npm", manifest["name"], manifest["version"], directory + "/package.json"))
        for kind, name, version, path in found:
            owner = owners.get(os.path.realpath(path), "")
            yield Package(kind, name, version, lookup(kind, name), version, os.path.relpath(path, root), owner, "")


def lookup(kind, name):
    return re.sub(r"[-_.]+", "-", name).lower() if kind == "pypi" else name  # PEP 503


# --- version orders: is a before b? ---


@functools.cache
def deb_less(a, b):
    return subprocess.run(["dpkg", "--compare-versions", a, "lt", b], stderr=subprocess.DEVNULL).returncode == 0


def evr(text):
    epoch, rest = text.split(":", 1) if ":" in text else ("0", text)
    return (epoch, *rest.rsplit("-", 1))


def rpm_less(a, b):
    return rpm.labelCompare(evr(a), evr(b)) < 0


@functools.cache
def apk_key(text):
    """apk-package(5): number{.number}{letter}{_suffix{number}}{-r#}, as tokens that compare as tuples. What a token
    is says more than its value: 1_rc1 < 1 < 1-r0 < 1_p1 < 1a < 1.0."""
    parts = re.fullmatch(r"(\d+)((?:\.\d+)*)([a-z]?)((?:_[a-z]+\d*)*)(?:-r(\d+))?", text)
    major, minors, letter, suffixes, revision = parts.groups()
    before, after = ("alpha", "beta", "pre", "rc"), ("cvs", "svn", "git", "hg", "p")
    key = [(6, 1, int(major))]
    for number in minors.split(".")[1:]:
        # With a leading zero it is the text that counts, as in a decimal fraction; and "0..." is below "1...".
        key.append((6, 0, number) if number.startswith("0") else (6, 1, int(number)))
    if letter:
        key.append((5, letter))
    for name, number in re.findall(r"_([a-z]+)(\d*)", suffixes):
        place = (0, before.index(name)) if name in before else (4, after.index(name))
        key.append((*place, int(number or 0)))
    if revision:
        key.append((3, int(revision)))
    return key + [(2,)]


def pypi_less(a, b):
    return Version(a) < Version(b)


@functools.cache
def npm_key(text):
    """semver.org, section 11; missing numbers are 0."""
    parts = re.fullmatch(r"[v=\s]*(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-?([0-9A-Za-z.-]+))?(?:\+.*)?", text)
    pre = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in (parts[4] or "").split(".") if p]
    return [int(parts[n] or 0) for n in (1, 2, 3)], [(0,), *pre] if pre else [(1,)]


LESS = {
    "deb": deb_less,
    "rpm": rpm_less,
    "apk": lambda a, b: apk_key(a) < apk_key(b),
    "pypi": pypi_less,
    "npm": lambda a, b: npm_key(a) < npm_key(b),
}


# --- advisories ---


def holds(entry, version, less):
    """OSV's own pseudocode (osv-schema, "Evaluation"): sort the events, walk them up to the version."""

    def before(a, b):
        return b != "0" if a == "0" else b != "0" and less(a, b)  # "0" is below every version

    for version_range in entry.get("ranges") or []:
        if version_range["type"] == "GIT":
            continue
        events = [(kind, at) for event in version_range["events"] for kind, at in event.items()]
        events.sort(key=functools.cmp_to_key(lambda x, y: before(y[1], x[1]) - before(x[1], y[1])))
        affected = False
        for kind, at in events:
            if kind == "introduced" and not before(version, at):
                affected = True
            elif kind == "fixed" and not before(version, at):
                affected = False
            elif kind == "last_affected" and before(at, version):
                affected = False
        if affected:
            return True
    return any(equal(listed, version, less) for listed in entry.get("versions") or [])


def equal(a, b, less):
    try:
        return a == b or not less(a, b) and not less(b, a)
    except InvalidVersion:
        return False  # old PyPI records list versions from before PEP 440


def alma_affected(entries, package, summary):
    """AlmaLinux names a package several times in one advisory, once for each build that has the fix: rebuilds
    (`.alma`, `.alma.plus`), and for modules one build for each minor release. Whoever has any of them, or a later one,
    is fixed. Builds of modules (`.module_el8.4.0+2532+...`) have release numbers of their own and say nothing of
    packages outside modules; and those of one stream nothing of another, which only the summary names."""
    fixes = []
    for entry in entries:
        (version_range,) = entry["ranges"]
        (introduced, fixed) = version_range["events"]
        assert introduced == {"introduced": "0"}, entry
        fixes.append(fixed["fixed"])
    module = re.compile(r"\.module[_+](el[\d.]+)")
    built = module.search(package.version)
    fixes = [fix for fix in fixes if bool(module.search(fix)) == bool(built)]
    if built:
        if ":".join(package.module.split(":")[:2]) not in re.split(r"[ ,;]+", summary):
            return False
        own = [fix for fix in fixes if module.search(fix)[1] == built[1]]
        fixes = own or fixes
    return bool(fixes) and all(rpm_less(package.version, fix) for fix in fixes)


def ecosystem_of(distro, version):
    major = version.split(".")[0]
    return {
        "debian": f"Debian:{major}",
        "almalinux": f"AlmaLinux:{major}",
        "alpine": "Alpine:v" + ".".join(version.split(".")[:2]),
    }.get(distro)  # of the other distributions here there are no records


def read_records(folder, ecosystems):
    """Records that speak of these ecosystems: of each id the last state, which may be a withdrawal."""
    quoted = [f'"{ecosystem}"'.encode() for ecosystem in ecosystems]
    records = {}
    for path in sorted(glob.glob(os.path.join(folder, "*osv.jsonl.zst"))):
        if os.path.basename(path).startswith("misc-"):
            continue  # made up for tests of parsers
        for line in run("zstd", "-dc", "--long=27", path).splitlines():
            if not any(name in line for name in quoted):
                continue
            record = json.loads(line)
            known = records.setdefault(record["id"], [record])
            if known[0].get("modified", "") < record.get("modified", ""):
                records[record["id"]] = [record]
            elif known[0].get("modified", "") == record.get("modified", "") and record not in known:
                known.append(record)
    return [r for same in records.values() for r in same if not r.get("withdrawn")]


def findings(packages, distro, folder):
    ecosystems = {"pypi": "PyPI", "npm": "npm", **dict.fromkeys(("deb", "apk", "rpm"), ecosystem_of(*distro))}
    by_name = collections.defaultdict(list)
    for package in packages:
        # What the distribution installed is its matter: it patches without changing the version.
        if package.owner == "" and ecosystems[package.kind]:
            by_name[ecosystems[package.kind], package.name].append(package)
    for record in read_records(folder, {ecosystem for ecosystem, _ in by_name}):
        if record["id"].startswith(("ALBA-", "ALEA-")):
            continue  # bug fixes and enhancements
        entries = collections.defaultdict(list)
        for entry in record.get("affected") or []:
            ecosystem, name = entry["package"]["ecosystem"], entry["package"]["name"]
            entries[ecosystem, lookup("pypi" if ecosystem == "PyPI" else "", name)].append(entry)
        for key in entries.keys() & by_name.keys():
            for package in by_name[key]:
                if package.kind == "rpm":
                    hit = alma_affected(entries[key], package, record.get("summary", ""))
                else:
                    hit = any(holds(entry, package.version, LESS[package.kind]) for entry in entries[key])
                if hit:
                    yield package.shown, package.number, record["id"]


def main(image, platform, folder):
    with tempfile.TemporaryDirectory() as scratch:
        root = unpack(image, platform, scratch)
        packages = [*dpkg_packages(root, scratch), *apk_packages(root), *rpm_packages(root, scratch)]
        packages += language_packages(root)
        lines = {"\t".join(("F", *hit)) for hit in findings(packages, os_release(root), folder)}
        lines |= {"\t".join(("P", p.kind, p.shown, p.number, p.place, p.owner)) for p in packages}
        sys.stdout.writelines(line + "\n" for line in sorted(lines))


for program in ("umoci", "dpkg-query", "dpkg", "zstd"):
    if not shutil.which(program):
        sys.exit(3)
main(*sys.argv[1:4])
