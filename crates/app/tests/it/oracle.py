#!/usr/bin/python3
"""What other programs find in an image: the oracle of the scanner on real images.

    oracle.py image IMAGE PLATFORM ADVISORIES
    oracle.py sample ECOSYSTEM STEP ADVISORIES

IMAGE is `oci:DIR:TAG` or `docker-archive:FILE`, PLATFORM `linux/amd64`, ADVISORIES a directory of OSV records as
JSON lines (`*osv.jsonl.zst`). The first lists and matches what is in an image, the second packages made up from
what the advisories of an ecosystem name. Both print sorted lines:

    P <kind> <name> <version> <architecture of an OS package, path of a language package> <owner> <module>
    F <kind> <name> <version> <module> <advisory>

separated by tabs. Layers are put together by umoci (or by tarfile), packages are listed by dpkg-query, rpm's Python
module, importlib.metadata and json; `advisories.py` matches. Nothing of it knows the scanner. Exits with 3 where a
tool is missing.
"""

import glob
import importlib.metadata
import json
import os
import re
import shutil
import struct
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
try:
    import rpm

    from advisories import Package, lookup, match, run, sample
except ImportError:
    sys.exit(3)


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


def ecosystem_of(distro, version):
    major = version.split(".")[0]
    return {
        "debian": f"Debian:{major}",
        "almalinux": f"AlmaLinux:{major}",
        "alpine": "Alpine:v" + ".".join(version.split(".")[:2]),
    }.get(distro)  # of the other distributions here there are no records


def main(mode, what, how, folder):
    with tempfile.TemporaryDirectory() as scratch:
        if mode == "sample":
            packages = sample(what, int(how), folder)
            ecosystems = {package.kind: what for package in packages}
        else:
            root = unpack(what, how, scratch)
            packages = [*dpkg_packages(root, scratch), *apk_packages(root), *rpm_packages(root, scratch)]
            packages += language_packages(root)
            ecosystems = {"pypi": "PyPI", "npm": "npm"}
            ecosystems |= dict.fromkeys(("deb", "apk", "rpm"), ecosystem_of(*os_release(root)))
        found = {"\t".join(("P", p.kind, p.shown, p.number, p.place, p.owner, p.module)) for p in packages}
        for kind, ecosystem in ecosystems.items():
            # What the distribution installed is its matter: it patches without changing the version.
            own = [package for package in packages if package.kind == kind and package.owner == ""]
            if own and ecosystem:
                hits = match(own, ecosystem, folder)
                found |= {"\t".join(("F", kind, p.shown, p.number, p.module, advisory)) for p, advisory in hits}
        sys.stdout.writelines(line + "\n" for line in sorted(found))


if not all(map(shutil.which, ("umoci", "dpkg-query", "dpkg", "zstd"))):
    sys.exit(3)
main(*sys.argv[1:5])
