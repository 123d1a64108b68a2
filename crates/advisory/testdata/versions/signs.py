#!/usr/bin/env python3
"""Puts the expected sign into the rows of the tables beside this script, by asking each scheme's native tool.

    ./signs.py [--check] [--skip-missing] [SCHEME...]

A table is `<scheme>.txt`: rows `A SIGN B` (SIGN is `<`, `=`, `>`, or `?` for a new row) and `#` comments.
A comment `# signs: native` or `# signs: rule` begins a group. Signs of a native group are written by this
script (or compared, with `--check`); those of a rule group are set by hand from the specification that the
group's comments name, because the tool refuses such versions or is not at hand.

What is asked:
    gem     Gem::Version.new(a) <=> Gem::Version.new(b)  Ruby ($RUBY, default `ruby`)
    packagist  VersionParser::normalize, then version_compare  PHP with composer/semver; $COMPOSER_SEMVER is its
                                                        autoload.php (default: where Debian's package puts it)
    deb     dpkg --compare-versions                     Debian's dpkg
    rpm     rpm.labelCompare                            a Python with rpm's module: Debian's python3-rpm; $RPM_PYTHON
                                                        (default /usr/bin/python3)
    pypi    packaging.version.Version                   `pip install packaging` for the Python that runs this
    npm     require('semver').compare(a, b, {loose})    `npm install semver`; $NODE_PATH names its node_modules
    semver  require('semver').compare(a, b), strict     the same
    maven   org.apache.maven.artifact.versioning        Java and maven-artifact; $MAVEN_ARTIFACT is the class path (default:
                                                        where Debian's package puts it)
    apk     apk version -t                              apk-tools 3; $APK is the command (default `apk`), which may
                                                        have arguments: APK='chroot /alpine apk'

Exit code: 0 when all is well, 1 when a sign differs (--check), 2 when a tool is missing or refuses a version.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SIGNS = {-1: "<", 0: "=", 1: ">"}


class Unavailable(Exception):
    """The native tool is not installed."""


def run(command, **options):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except FileNotFoundError as error:
        raise Unavailable(str(error)) from error


def sign_of(number):
    return SIGNS[(number > 0) - (number < 0)]


def ask_dpkg(pairs):
    for a, b in pairs:
        for operator, sign in (("lt", "<"), ("eq", "="), ("gt", ">")):
            answer = run(["dpkg", "--compare-versions", a, operator, b])
            if "error" in answer.stderr:
                raise ValueError(f"dpkg refuses {a} or {b}: {answer.stderr.strip()}")
            if answer.returncode == 0:
                yield sign
                break


# Splits `[epoch:]version[-release]` as rpm's parseEVR does; the tuples are compared by rpm itself.
RPM_PROGRAM = """
import sys
try:
    import rpm
except ImportError:
    sys.exit(3)
def parts(text):
    epoch, colon, rest = text.partition(':')
    if not colon or not (epoch.isdigit() or epoch == ''):
        epoch, rest = '0', text
    version, hyphen, release = rest.rpartition('-')
    return (epoch or '0', version, release) if hyphen else (epoch or '0', rest, None)
for line in sys.stdin:
    a, b = line.split()
    print(rpm.labelCompare(parts(a), parts(b)))
"""

NODE_PROGRAM = """
let semver;
try { semver = require('semver'); } catch (error) { process.exit(3); }
const loose = process.argv[1] === 'loose';
const lines = require('fs').readFileSync(0, 'utf8').split('\\n').filter(Boolean);
for (const line of lines) {
    const [a, b] = line.split(' ');
    console.log(semver.compare(a, b, {loose}));
}
"""


RUBY_PROGRAM = "STDIN.each_line { |line| a, b = line.split.map { |text| Gem::Version.new(text) }; puts a <=> b }"

PHP_PROGRAM = r"""
if (!is_file($argv[1])) { exit(3); }
require $argv[1];
$parser = new Composer\Semver\VersionParser();
while (($line = fgets(STDIN)) !== false) {
    [$a, $b] = array_map([$parser, 'normalize'], explode(' ', trim($line)));
    echo version_compare($a, $b), "\n";
}
"""


def ask_program(command, pairs, what):
    answer = run(command, input="".join(f"{a} {b}\n" for a, b in pairs))
    if answer.returncode == 3:
        raise Unavailable(f"{what} is not installed for {command[0]}")
    if answer.returncode:
        raise ValueError(answer.stderr.strip()[-500:])
    return [sign_of(int(line)) for line in answer.stdout.split()]


def ask_rpm(pairs):
    return ask_program([os.environ.get("RPM_PYTHON", "/usr/bin/python3"), "-c", RPM_PROGRAM], pairs, "rpm's module")


def ask_node(mode):
    return lambda pairs: ask_program(["node", "-e", NODE_PROGRAM, mode], pairs, "semver")


def ask_ruby(pairs):
    return ask_program([os.environ.get("RUBY", "ruby"), "-e", RUBY_PROGRAM], pairs, "RubyGems")


def ask_composer(pairs):
    autoload = os.environ.get("COMPOSER_SEMVER", "/usr/share/php/Composer/Semver/autoload.php")
    return ask_program(["php", "-r", PHP_PROGRAM, "--", autoload], pairs, "composer/semver")


def ask_maven(pairs):
    place = "/usr/share/java"
    path = os.environ.get("MAVEN_ARTIFACT", f"{place}/maven-artifact-3.x.jar:{place}/commons-lang3.jar")
    program = ["java", "-cp", path, "org.apache.maven.artifact.versioning.ComparableVersion"]
    answer = run([*program, *[version for pair in pairs for version in pair]])
    if answer.returncode:
        raise Unavailable(f"no Maven in {path}: {answer.stderr.strip()[-200:]}")
    # It compares each version with the one before: every second answer is about a pair.
    answers = re.findall(r"^   \S+ (<|==|>) \S+$", answer.stdout, re.MULTILINE)
    for sign in answers[::2]:
        yield sign[0]


def ask_packaging(pairs):
    try:
        from packaging.version import Version
    except ImportError as error:
        raise Unavailable(str(error)) from error
    for a, b in pairs:
        x, y = Version(a), Version(b)
        yield sign_of((x > y) - (x < y))


def ask_apk(pairs):
    command = shlex.split(os.environ.get("APK", "apk"))
    version = run([*command, "--version"]).stdout
    if not re.match(r"apk-tools [3-9]", version):
        raise Unavailable(f"apk-tools 3 is needed, found {version.strip()!r}")
    for a, b in pairs:
        answer = run([*command, "version", "-t", a, b])
        if answer.stdout.strip() not in ("<", "=", ">"):
            raise ValueError(f"apk refuses {a} or {b}: {answer.stderr.strip()}")
        yield answer.stdout.strip()


TOOLS = {
    "apk": ask_apk,
    "deb": ask_dpkg,
    "gem": ask_ruby,
    "maven": ask_maven,
    "npm": ask_node("loose"),
    "packagist": ask_composer,
    "pypi": ask_packaging,
    "rpm": ask_rpm,
    "semver": ask_node("strict"),
}


def native_rows(lines):
    """The index and the fields of every row whose sign a tool gives."""
    native = False
    for index, line in enumerate(lines):
        group = re.fullmatch(r"#\s*signs:\s*(native|rule)\b.*", line)
        if group:
            native = group.group(1) == "native"
        elif line.strip() and not line.startswith("#"):
            a, sign, b = line.split()
            if sign not in "<=>?":
                raise ValueError(f"line {index + 1}: no sign: {line}")
            if native:
                yield index, a, sign, b
            elif sign == "?":
                raise ValueError(f"line {index + 1}: a row by rule needs its sign: {line}")


def work(scheme, check):
    """Rewrites or checks one table; returns how many signs were wrong."""
    path = HERE / f"{scheme}.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = list(native_rows(lines))
    answers = list(TOOLS[scheme]([(a, b) for _, a, _, b in rows])) if rows else []
    if len(answers) != len(rows):
        raise ValueError(f"{len(answers)} answers for {len(rows)} rows")
    wrong = 0
    for (index, a, sign, b), answer in zip(rows, answers):
        if sign != answer:
            wrong += 1
            if check:
                print(f"{path.name}:{index + 1}: {a} {sign} {b}: the tool says {answer}")
        lines[index] = f"{a} {answer} {b}"
    if not check:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{scheme}: {len(rows)} rows asked, {wrong} {'wrong' if check else 'changed'}")
    return wrong


def main(arguments):
    options = {argument for argument in arguments if argument.startswith("--")}
    if options - {"--check", "--skip-missing"} or set(arguments) - options - set(TOOLS):
        print(__doc__, file=sys.stderr)
        return 2
    status = 0
    for scheme in [argument for argument in arguments if argument in TOOLS] or sorted(TOOLS):
        try:
            if work(scheme, "--check" in options) and "--check" in options:
                status = max(status, 1)
        except Unavailable as error:
            print(f"{scheme}: skipped: {error}", file=sys.stderr)
            status = status if "--skip-missing" in options else 2
        except ValueError as error:
            print(f"{scheme}: {error}", file=sys.stderr)
            status = 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
