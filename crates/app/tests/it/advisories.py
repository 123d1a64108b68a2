"""Which advisories apply to which packages, by the rules of OSV and of the distributions: the matching half of the
oracle. Versions are compared by dpkg, rpm and packaging; what no such tool exists for (apk, npm) is short enough here
to be read. Nothing of it knows the scanner."""

import collections
import functools
import glob
import json
import os
import re
import subprocess

import rpm
from packaging.version import Version

# name: what advisories of its ecosystem call it; version: what they compare. `shown` and `number` are the package's own.
Package = collections.namedtuple("Package", "kind shown number name version place owner module")


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options).stdout


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
    is says more than its value: 1_rc1 < 1 < 1-r0 < 1_p1 < 1a < 1.0. What leaves the grammar (`1.18.-r2`) is just
    below the end, as in apk 3."""
    before, after = ("alpha", "beta", "pre", "rc"), ("cvs", "svn", "git", "hg", "p")
    suffix = "_(%s)(\\d*)" % "|".join((*before, *after))
    parts = re.match(r"(\d+)((?:\.\d+)*)([a-z]?)((?:%s)*)(?:-r(\d+))?" % suffix, text)
    key = [(6, 1, int(parts[1]))]
    for number in parts[2].split(".")[1:]:
        # With a leading zero it is the text that counts, as in a decimal fraction; and "0..." is below "1...".
        key.append((6, 0, number) if number.startswith("0") else (6, 1, int(number)))
    if parts[3]:
        key.append((5, parts[3]))
    for name, number in re.findall(suffix, parts[4]):
        place = (0, before.index(name)) if name in before else (4, after.index(name))
        key.append((*place, int(number or 0)))
    if parts[7]:
        key.append((3, int(parts[7])))
    rest = text[parts.end() :]
    return key + [(1, rest) if rest else (2,)]


@functools.cache
def pypi_key(text):
    return Version(text)


@functools.cache
def npm_key(text):
    """semver.org, section 11; missing numbers are 0."""
    parts = re.fullmatch(r"[v=\s]*(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-?([0-9A-Za-z.-]+))?(?:\+.*)?", text)
    if not parts:
        raise ValueError(text)
    pre = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in (parts[4] or "").split(".") if p]
    return [int(parts[n] or 0) for n in (1, 2, 3)], [(0,), *pre] if pre else [(1,)]


LESS = {
    "deb": deb_less,
    "rpm": rpm_less,
    "apk": lambda a, b: apk_key(a) < apk_key(b),
    "pypi": lambda a, b: pypi_key(a) < pypi_key(b),
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
    except ValueError:
        return False  # old PyPI records list versions from before PEP 440


def streams_of(summary):
    """`Moderate: python39:3.9 and python39-devel:3.9 security update` -> the words with a colon inside."""
    return re.findall(r"\w[\w.+-]*:\w[\w.+-]*", summary.split(": ", 1)[-1])


def alma_affected(entries, package, summary):
    """AlmaLinux names a package several times in one advisory, once for each build that has the fix: rebuilds
    (`.alma`, `.alma.plus`), and for modules one build for each minor release. Whoever has any of them, or a later one,
    is fixed. Builds of modules (`.module_el8.4.0+2532+...`) have release numbers of their own and say nothing of
    packages outside modules; and those of one stream nothing of another, which only the summary names. Where it
    names none, all streams may be meant."""
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
        streams = streams_of(summary)
        if streams and ":".join(package.module.split(":")[:2]) not in streams:
            return False
        own = [fix for fix in fixes if module.search(fix)[1] == built[1]]
        fixes = own or fixes
    return bool(fixes) and all(rpm_less(package.version, fix) for fix in fixes)


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


def match(packages, ecosystem, folder):
    """Pairs of a package and the id of an advisory; all packages belong to one ecosystem."""
    by_name = collections.defaultdict(list)
    for package in packages:
        by_name[package.name].append(package)
    for record in read_records(folder, {ecosystem}):
        for name, entries in affected_of(record, ecosystem).items():
            for package in by_name.get(name, ()):
                if package.kind == "rpm":
                    hit = alma_affected(entries, package, record.get("summary") or "")
                else:
                    hit = any(holds(entry, package.version, LESS[package.kind]) for entry in entries)
                if hit:
                    yield package, record["id"]


def affected_of(record, ecosystem):
    """Name -> what a record says of it."""
    entries = collections.defaultdict(list)
    if not record["id"].startswith(("ALBA-", "ALEA-")):  # bug fixes and enhancements
        for entry in record.get("affected") or []:
            if entry["package"]["ecosystem"] == ecosystem:
                entries[lookup("pypi" if ecosystem == "PyPI" else "", entry["package"]["name"])].append(entry)
    return entries


def sample(ecosystem, step, folder):
    """Packages at every version that the advisories of an ecosystem name, for each `step`th name: where ranges begin
    and end is where they are got wrong. Builds of modules come with each stream that their advisory names, and with
    a record that says nothing of streams."""
    kinds = {"Debian": "deb", "Ubuntu": "deb", "Alpine": "apk", "AlmaLinux": "rpm", "PyPI": "pypi", "npm": "npm"}
    kind = kinds[ecosystem.split(":")[0]]
    packages = set()
    for record in read_records(folder, {ecosystem}):
        streams = streams_of(record.get("summary") or "")
        for name, entries in affected_of(record, ecosystem).items():
            for entry in entries:
                events = (e for r in entry.get("ranges") or [] if r["type"] != "GIT" for e in r["events"])
                versions = {at for event in events for at in event.values() if at != "0"}
                versions.update((entry.get("versions") or [])[:1] + (entry.get("versions") or [])[-1:])
                for version in versions:
                    for module in {"", *streams} if ".module" in version else {""}:
                        packages.add(Package(kind, name, version, name, version, "", "", module))
    # For versions that the ecosystem's own order refuses there is nobody to ask.
    odd = {package.name for package in packages if not is_ordered(kind, package.version)}
    chosen = set(sorted({package.name for package in packages} - odd)[::step])
    return [package for package in packages if package.name in chosen]


def is_ordered(kind, version):
    try:
        return kind not in ("pypi", "npm") or bool({"pypi": pypi_key, "npm": npm_key}[kind](version))
    except ValueError:
        return False
