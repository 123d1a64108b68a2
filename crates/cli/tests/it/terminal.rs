//! What only a person at a terminal meets: colours, and the key that interrupts.

use std::{
    fs,
    io::Read as _,
    process::{Command, Stdio},
    sync::{Mutex, mpsc},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use testkit::{image::Published, tool, write};

use crate::{
    binary::{Home, ended, run},
    sample,
    server::{Server, answer},
};

#[test]
fn colours_are_for_terminals_that_want_them() {
    // util-linux' script(1) runs a command on a terminal of its own.
    let Some(script) = tool::find_or_skip("script", "output on a terminal") else { return };
    let home = Home::with_database();
    fs::create_dir(home.path("image")).unwrap();
    write::layout(&home.path("image"), &[("1.0", &Published::from(&sample::image()))]).unwrap();
    let scan = home.command(["scan", "--offline", "--no-cache", "oci:image:1.0"]);
    let binary = scan.get_program().to_str().unwrap();
    let on_terminal = |no_color: &str, option: &str| {
        let mut command = Command::new(&script);
        command.env_clear().env("HOME", home.path("")).env("TERM", "xterm").env("NO_COLOR", no_color);
        command.env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh").current_dir(home.path(""));
        let line = format!("stty rows 24 cols 64; exec '{binary}' scan --offline {option} oci:image:1.0");
        let shown =
            run(command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null()));
        assert_eq!(shown.code, Some(0), "{shown:?}");
        shown.out
    };
    let coloured = on_terminal("", "--no-cache");
    assert!(coloured.contains("\x1b[31mhigh\x1b[0m"), "{coloured:?}");
    assert!(coloured.contains("layer 0 ") && coloured.contains("━"), "no progress: {coloured:?}");
    assert!(coloured.contains("1 critical"), "{coloured:?}");
    let plain = on_terminal("1", "--quiet");
    assert!(!plain.contains("━"), "progress although --quiet: {plain:?}");
    let table: Vec<&str> = plain.lines().skip_while(|line| !line.starts_with("SEVERITY")).collect();
    assert!(table.len() > 5 && table.iter().all(|line| !line.contains("\x1b[3")), "{plain:?}");
    // 64 columns: the titles do not fit beside the rest.
    assert!(!plain.contains("TITLE") && !plain.contains("a flaw of"), "{plain:?}");
}

#[test]
fn a_mirror_that_is_slow_is_waited_for_in_the_open() {
    let Some(script) = tool::find_or_skip("script", "output on a terminal") else { return };
    let home = Home::new();
    fs::create_dir(home.path("image")).unwrap();
    write::layout(&home.path("image"), &[("1.0", &Published::from(&sample::image()))]).unwrap();
    let (go_on, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    // Every answer waits until the test has seen what is on the screen.
    let server = Server::start(move |_| {
        let _ = told.lock().unwrap().recv();
        answer(404, &[], b"")
    });
    let binary = home.command([""; 0]);
    let binary = binary.get_program().to_str().unwrap();
    let line = format!("exec '{binary}' scan --db-url http://{}/osv/ oci:image:1.0", server.address);
    let mut command = Command::new(&script);
    command.env_clear().env("HOME", home.path("")).env("TERM", "xterm").env("SHELL", "/bin/sh");
    command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
    command.current_dir(home.path("")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut shown = String::new();
    let mut part = [0; 4096];
    while !shown.contains("asking for the advisories of Debian") {
        let length = out.read(&mut part).unwrap();
        assert!(length > 0, "ended without a word: {shown:?}");
        shown.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    drop(go_on);
    out.read_to_string(&mut shown).unwrap();
    assert_eq!(ended(child.wait_with_output().unwrap()).code, Some(5), "{shown:?}");
    assert!(shown.contains("nothing was checked"), "{shown:?}");
}

#[test]
fn an_interrupted_scan_leaves_nothing_behind() {
    let image = sample::image();
    let manifest = image.manifest.clone();
    let config = image.config;
    let (asked, was_asked) = mpsc::channel();
    let asked = Mutex::new(asked);
    let server = Server::start(move |request| {
        let path = request.target.as_str();
        if path.ends_with("/manifests/1.4") {
            answer(200, &[("content-type", &manifest.media_type)], &manifest.bytes)
        } else if path.ends_with(&config.digest.to_string()) {
            answer(200, &[], &config.bytes)
        } else if path.contains("/blobs/") {
            asked.lock().unwrap().send(()).unwrap();
            // A layer that never comes: the connection is held until the process ends.
            loop {
                std::thread::park();
            }
        } else {
            answer(200, &[], b"{}")
        }
    });
    let home = Home::with_database();
    home.write("report.txt", "the last one");
    let image = format!("{}/shop/web:1.4", server.address);
    let mut command =
        home.command(["scan", "--offline", "--output", "report.txt", "--cache", "layers", &image]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    was_asked.recv_timeout(Duration::from_secs(60)).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let left = ended(child.wait_with_output().unwrap());
    assert_eq!((left.code, left.out.as_str(), left.err.as_str()), (None, "", ""), "ended by the signal");
    assert_eq!(fs::read_to_string(home.path("report.txt")).unwrap(), "the last one");
    let files = |dir: &str| fs::read_dir(home.path(dir)).unwrap().count();
    let names: Vec<_> = fs::read_dir(home.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with(".tmp")), "{names:?}");
    assert!(files("layers") <= 1, "at most the cache's own tag");
}
