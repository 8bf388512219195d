"""The image of the Dockerfile without a container engine: its paths in a private mount namespace, its
ENTRYPOINT, CMD and WORKDIR as they stand, under a foreign uid without passwd entry or HOME.

Needs root for `unshare -m` and chroot; elsewhere only the texts are checked.
"""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402

CHECKS = lab.Checks("container_entrypoint")
FOREIGN_UID = 12345

# Mounts of the host that a container has in its own way; /bin is the image's alone.
ENTER = r"""
set -e
root=$1; shift
mount --make-rprivate /
mkdir -p "$root/usr" "$root/lib" "$root/lib64" "$root/proc" "$root/dev" "$root/tmp"
for folder in usr lib lib64 proc dev; do
    [ ! -e "/$folder" ] || mount --rbind "/$folder" "$root/$folder"
done
exec chroot "$root" /usr/bin/env -i "$@"
"""


def read_dockerfile():
    """The instructions of the last stage: [(name, rest)], lines with a backslash joined."""
    with open(os.path.join(lab.ROOT, "Dockerfile"), encoding="utf-8") as file:
        text = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", file.read()))
    instructions = [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]
    last = max(at for at, (name, _) in enumerate(instructions) if name == "FROM")
    return instructions[last:]


def one(instructions, name):
    found = [rest for instruction, rest in instructions if instruction == name]
    CHECKS.equal(len(found), 1, f"the image has one {name}")
    return found[0]


def check_texts(instructions):
    CHECKS.equal(json.loads(one(instructions, "ENTRYPOINT")), ["/bin/prometheus"], "the entrypoint of prom/prometheus")
    CHECKS.equal(
        json.loads(one(instructions, "CMD")),
        ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
        "the default arguments of prom/prometheus",
    )
    CHECKS.equal(one(instructions, "WORKDIR"), "/prometheus", "the working directory of prom/prometheus")
    CHECKS.equal(one(instructions, "EXPOSE"), "9090", "the port of prom/prometheus")
    CHECKS.equal(json.loads(one(instructions, "VOLUME")), ["/prometheus"], "the volume of prom/prometheus")
    CHECKS.equal(one(instructions, "USER"), "65534:65534", "nobody, as a number that runAsNonRoot can judge")


def check_libraries(instructions):
    """Every shared library of the binary comes with a package that the image installs."""
    installs = " ".join(rest for name, rest in instructions if name == "RUN")
    try:
        with open("/etc/debian_version", encoding="utf-8") as file:
            is_bookworm = file.read().startswith("12")
    except OSError:
        is_bookworm = False
    if not is_bookworm or not shutil.which("readelf"):
        CHECKS.skip("the packages of shared libraries are those of Debian 12")
        return
    needed = subprocess.run(["readelf", "-d", lab.ferula_binary()], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", needed)
    CHECKS.check(len(names) > 4, "the binary needs libraries", names)
    for name in names:
        if name.startswith(("libasan", "libubsan", "libtsan")):
            continue
        paths = glob.glob(f"/usr/lib/*-linux-gnu/{name}") + glob.glob(f"/lib/*-linux-gnu/{name}")
        owners = subprocess.run(["dpkg", "-S", "*/" + name], capture_output=True, text=True, check=False).stdout
        packages = {line.split(":")[0] for line in owners.splitlines() if line.endswith("/" + name)}
        base = {"libc6", "libgcc-s1", "libstdc++6"}  # libre2 brings the last
        CHECKS.check(
            paths and packages & (base | set(installs.split())), f"the image has a package with {name}", packages
        )


class Image:
    """The image's files in a temporary root, and runs of it."""

    def __init__(self, instructions, port):
        self.root = lab.temporary_folder()
        self.port = port
        self.command = json.loads(one(instructions, "ENTRYPOINT")) + json.loads(one(instructions, "CMD"))
        self.working_directory = one(instructions, "WORKDIR")
        self.copied = 0
        for name, rest in instructions:
            if name == "COPY":
                self.copy(*rest.split()[-2:])
            for target, link in re.findall(r"ln -s (\S+) (\S+)", rest if name == "RUN" else ""):
                os.symlink(target, self.path(link))
        os.makedirs(self.path("/prometheus"))
        with open(self.path("/etc/passwd"), "w", encoding="utf-8") as file:
            file.write("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")

    def path(self, inside):
        return os.path.join(self.root, inside.lstrip("/"))

    def copy(self, source, inside):
        os.makedirs(os.path.dirname(self.path(inside)), exist_ok=True)
        beside = os.path.dirname(os.path.dirname(lab.ferula_binary()))
        built = {"ferula": lab.ferula_binary(), "ferulatool": os.path.join(beside, "tool", "ferulatool")}
        if source.startswith("/out/"):
            shutil.copy(built[os.path.basename(source)], self.path(inside))
            os.chmod(self.path(inside), 0o755)
        else:
            shutil.copy(os.path.join(lab.ROOT, source), self.path(inside))
            os.chmod(self.path(inside), 0o644)
        self.copied += 1

    def own_data(self, uid):
        os.chown(self.path("/prometheus"), uid, uid)

    def start(self, log, more=()):
        """As `docker run --user 12345 IMAGE`, with arguments in the place of CMD if given."""
        command = list(more) and self.command[:1] + list(more) or self.command
        inside = " ".join(["cd", shlex.quote(self.working_directory), "&&", "exec", *map(shlex.quote, command)])
        return lab.Process(
            ["unshare", "-m", "sh", "-c", ENTER, "enter", self.root, "PATH=/usr/bin:/bin", *sanitizer_options(),
             "setpriv", f"--reuid={FOREIGN_UID}", f"--regid={FOREIGN_UID}", "--clear-groups", "--no-new-privs",
             "/usr/bin/sh", "-c", inside],
            os.path.join(lab.temporary_folder(), log),
        ).start()

    def answers(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            return None


def sanitizer_options():
    return [f"{name}={os.environ[name]}" for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ]


def port_is_free(port):
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
            return True
        except OSError:
            return False


def owner_of(process):
    """uid and environment names of the server behind unshare, sh, chroot and setpriv, which all exec."""
    folder = f"/proc/{process.popen.pid}"
    with open(f"{folder}/environ", "rb") as file:
        names = {entry.split(b"=")[0].decode() for entry in file.read().split(b"\0") if entry}
    return os.stat(folder).st_uid, names


def check_owned(image, arguments):
    image.own_data(FOREIGN_UID)
    process = image.start("owned.log", arguments)
    ready = lab.wait_for(lambda: image.answers("/-/ready") or not process.running(), 60)
    CHECKS.check(ready and process.running(), "runs as a uid without passwd entry", process.log_text()[-2000:])
    if not process.running():
        return
    uid, names = owner_of(process)
    CHECKS.equal(uid, FOREIGN_UID, "the server's uid")
    CHECKS.check("HOME" not in names, "there is no HOME", names)
    runtime = json.loads(image.answers("/api/v1/status/runtimeinfo"))["data"]
    CHECKS.equal(runtime["CWD"], "/prometheus", "the working directory")
    CHECKS.check(os.listdir(image.path("/prometheus")), "data are in /prometheus")
    if not arguments:
        def scraped():
            targets = json.loads(image.answers("/api/v1/targets"))["data"]["activeTargets"]
            return [t["labels"]["job"] for t in targets] == ["prometheus"] and targets[0]["health"] != "unknown" and targets

        targets = lab.wait_for(scraped, 30, 0.5)
        CHECKS.check(targets and targets[0]["health"] == "up", "the default configuration scrapes itself", targets)
    before = time.monotonic()
    CHECKS.equal(process.stop(), 0, "docker stop is a clean stop")
    CHECKS.check(time.monotonic() - before < 10, "docker would not have to kill it")


def check_foreign_data(image, arguments):
    shutil.rmtree(image.path("/prometheus"))
    os.makedirs(image.path("/prometheus"))
    process = image.start("foreign.log", arguments)
    lab.wait_for(lambda: not process.running(), 30)
    CHECKS.check(not process.running(), "a data folder of root ends the start")
    CHECKS.equal(process.stop(), 1, "exit code")
    log = process.log_text()
    errors = [line for line in log.splitlines() if "level=ERROR" in line or "level=error" in line]
    CHECKS.equal(len(errors), 1, "one message tells it: " + log[-1500:])
    for part in ("/prometheus", "owned by uid 0", f"uid {FOREIGN_UID}", "chown"):
        CHECKS.check(part in "".join(errors), f"the message says {part!r}", errors)


def main():
    instructions = read_dockerfile()
    check_texts(instructions)
    check_libraries(instructions)
    if os.geteuid() != 0:
        CHECKS.skip("runs of the image's command line need root")
        CHECKS.finish()
    if subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True, check=False).returncode:
        CHECKS.skip("no mount namespaces here")
        CHECKS.finish()
    # The lines as they stand listen on 9090; where it is taken, the same with another port.
    port = 9090 if port_is_free(9090) else lab.free_port()
    image = Image(instructions, port)
    CHECKS.equal(image.copied, 3, "binaries and configuration are copied into the image")
    arguments = []
    if port != 9090:
        CHECKS.skip("port 9090 is taken: the default line runs with another")
        arguments = [*image.command[1:], f"--web.listen-address=0.0.0.0:{port}"]
    check_owned(image, arguments)
    image.port = lab.free_port()
    # The line-up of well-known compose files.
    usual = [
        *image.command[1:], "--web.console.libraries=/etc/prometheus/console_libraries",
        "--web.console.templates=/etc/prometheus/consoles", "--storage.tsdb.retention.time=200h",
        "--web.enable-lifecycle", f"--web.listen-address=127.0.0.1:{image.port}",
    ]
    check_owned(image, usual)
    check_foreign_data(image, usual)
    CHECKS.finish()


main()
