//! What is around a node when it is started: its environment, paths, users, limits and signals; and who reads what it
//! says. The program itself runs.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use datanet_config::Home;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;

use crate::kit::{self, until};

/// The program with nothing of this process' own settings, and a home of the user's own.
fn datanet(user: &Path) -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_datanet")), user)
}

fn clean(mut command: Command, user: &Path) -> Command {
    let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(b"DATANET_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.env("HOME", user).current_dir(user);
    command
}

fn not_text(start: &str) -> OsString {
    OsString::from_vec([start.as_bytes(), b"caf\xe9"].concat())
}

/// Ends with an error in words and no panic.
fn refused(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{}: {said}", output.status);
    assert!(said.starts_with("error: "), "{said}");
    said
}

fn made(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `datanet dev` on loopback, with a free port, without a model.
fn dev(user: &Path, home: &Path) -> Command {
    let mut command = datanet(user);
    command.arg("--home").arg(home).args(["dev", "--set", "api.listen=127.0.0.1:0"]);
    without_downloads(&mut command);
    command
}

/// Names tools that are not there: a node starts without a model, and nothing is downloaded.
fn without_downloads(command: &mut Command) {
    command.env("ORT_DYLIB_PATH", "/nonexistent").env("DATANET_MODEL", "/nonexistent");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
}

/// A process that is killed when the test ends before it does.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed())
    }

    /// Waits until its interface is there.
    async fn run_file(&mut self, home: &Path) -> Value {
        let path = Home::new(home).run_file();
        until("the node is up", async || {
            if let Some(status) = self.0.try_wait().unwrap() {
                panic!("it ended with {status}: {}", self.errors());
            }
            serde_json::from_slice(&std::fs::read(&path).ok()?).ok()
        })
        .await
    }

    fn errors(&mut self) -> String {
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    /// Asks it to end and waits until it has, in order.
    async fn end(mut self) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        let status = until("it ends", async || self.0.try_wait().unwrap()).await;
        assert!(status.success(), "{status}: {}", self.errors());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn variables_of_others_need_not_be_text_and_ours_are_named() {
    let user = tempfile::tempdir().unwrap();
    let home = user.path().join("node");
    made(&datanet(user.path()).env("LEGACY_PATH", not_text("")).args(["init", "--home", "node"]).output().unwrap());
    let mut node = Process::start(dev(user.path(), &home).env("LEGACY_PATH", not_text("")).env(not_text("X"), "1"));
    node.run_file(&home).await;
    node.end().await;
    for command in [["init", "--home", "other"], ["status", "--home", "node"], ["dev", "--home", "other"]] {
        let output = datanet(user.path()).env("DATANET_NODE_NAME", not_text("")).args(command).output().unwrap();
        let said = refused(&output);
        assert!(said.contains("DATANET_NODE_NAME is not UTF-8"), "{command:?}: {said}");
    }
    assert!(!user.path().join("other").exists());
}

#[test]
fn a_home_whose_path_is_no_text_is_refused_in_words_by_every_command() {
    let user = tempfile::tempdir().unwrap();
    let home = user.path().join(not_text("n"));
    for command in ["init", "start", "dev", "status"] {
        let said = refused(&datanet(user.path()).arg("--home").arg(&home).arg(command).output().unwrap());
        assert!(said.contains("is not UTF-8"), "{command}: {said}");
    }
    let said = refused(&datanet(user.path()).env("DATANET_HOME", &home).arg("init").output().unwrap());
    assert!(said.contains("DATANET_HOME is not UTF-8"), "{said}");
    assert!(!home.exists());
}

#[test]
fn a_tilde_is_the_users_home_and_never_a_folder() {
    let user = tempfile::tempdir().unwrap();
    let below = user.path().join("work");
    std::fs::create_dir(&below).unwrap();
    let here = || {
        let mut command = datanet(user.path());
        command.current_dir(&below);
        command
    };
    made(&here().args(["init", "--home=~/flag"]).output().unwrap());
    made(&here().env("DATANET_HOME", "~/variable").arg("init").output().unwrap());
    for name in ["flag", "variable"] {
        assert!(Home::new(user.path().join(name)).config().is_file(), "{name}");
    }
    let said = refused(&here().args(["init", "--home", "~heron/node"]).output().unwrap());
    assert!(said.contains("~heron/node names another user's home"), "{said}");
    let said = refused(&here().env_remove("HOME").arg("init").output().unwrap());
    assert!(said.contains("--home") && said.contains("DATANET_HOME"), "{said}");
    let said = refused(&here().args(["init", "--home", ""]).output().unwrap());
    assert!(said.contains("the path is empty"), "{said}");
    assert_eq!(std::fs::read_dir(&below).unwrap().count(), 0, "nothing was made where the commands ran");
}

const NOBODY: u32 = 65_534;

/// Says so where not.
fn may_be_somebody_else() -> bool {
    let is_root = Uid::effective().is_root();
    if !is_root {
        eprintln!("SKIPPED, because only root can be somebody else");
    }
    is_root
}

#[test]
fn another_users_home_is_told_with_whose_it_is() {
    if !may_be_somebody_else() {
        return;
    }
    let user = tempfile::tempdir().unwrap();
    std::fs::set_permissions(user.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    made(&datanet(user.path()).args(["init", "--home", "node"]).output().unwrap());
    for command in [["status"], ["start"], ["init"], ["dev"]] {
        let mut stranger = datanet(user.path());
        stranger.uid(NOBODY).gid(NOBODY).args(["--home", "node"]).args(command);
        let output = match stranger.output() {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                eprintln!("SKIPPED, because others may not run the program where it lies");
                return;
            }
            output => output.unwrap(),
        };
        let said = refused(&output);
        assert!(said.contains("permission denied") && said.contains("belongs to root"), "{command:?}: {said}");
        assert!(!said.contains("no node runs") && !said.contains("init` first"), "{command:?}: {said}");
    }
}

#[test]
fn what_root_left_in_a_users_home_is_told_with_its_name() {
    if !may_be_somebody_else() {
        return;
    }
    let user = tempfile::tempdir().unwrap();
    nix::unistd::chown(user.path(), Some(NOBODY.into()), Some(NOBODY.into())).unwrap();
    let nobodys = |command: &str| {
        let mut nobody = datanet(user.path());
        nobody.uid(NOBODY).gid(NOBODY).args(["--home", "node", command]);
        without_downloads(&mut nobody);
        nobody.output().ok().filter(|output| output.status.code().is_some())
    };
    let Some(output) = nobodys("init") else {
        eprintln!("SKIPPED, because others may not run the program where it lies");
        return;
    };
    made(&output);
    let ledger = Home::new(user.path().join("node")).ledger();
    std::fs::write(&ledger, "").unwrap();
    std::fs::set_permissions(&ledger, std::fs::Permissions::from_mode(0o600)).unwrap();
    let said = refused(&nobodys("start").unwrap());
    assert!(said.contains("ledger.redb belongs to root"), "{said}");
}

/// The program under a hard and a soft limit of open files.
fn limited(user: &Path, limits: &str, args: &[&str]) -> Command {
    let mut command = clean(Command::new("sh"), user);
    command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_datanet")]).args(args);
    without_downloads(&mut command);
    command
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_or_named() {
    let user = tempfile::tempdir().unwrap();
    let home = user.path().join("node");
    made(&datanet(user.path()).args(["init", "--home", "node"]).output().unwrap());
    for hard in [32, 64, 256] {
        let said = refused(
            &limited(user.path(), &format!("ulimit -n {hard}"), &["start", "--home", "node"]).output().unwrap(),
        );
        for part in ["RLIMIT_NOFILE", &format!("open {hard} files"), "ulimit -Hn"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let args = ["dev", "--home", "node", "--set", "api.listen=127.0.0.1:0"];
    let mut node = Process::start(&mut limited(user.path(), "ulimit -Sn 64", &args));
    node.run_file(&home).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", node.pid())).unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    assert!(soft.is_none_or(|soft| soft.parse::<u64>().unwrap() > 400), "{limits}");
    node.end().await;
}

/// Whether the process hears SIGTERM: from then on it is not lost, even if it is process 1.
fn hears_sigterm(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & (1 << 14) != 0)
}

#[tokio::test]
async fn a_start_is_broken_off_from_the_first_moment_and_the_next_one_works() {
    if !Path::new("/proc/self/status").exists() {
        eprintln!("SKIPPED, because there is no /proc to see signal handlers in");
        return;
    }
    let user = tempfile::tempdir().unwrap();
    let home = user.path().join("node");
    for _ in 0..3 {
        let node = Process::start(&mut dev(user.path(), &home));
        until("it listens", async || hears_sigterm(node.pid()).then_some(())).await;
        node.end().await;
    }
    assert!(!Home::new(&home).run_file().exists());
    let mut node = Process::start(&mut dev(user.path(), &home));
    node.run_file(&home).await;
    node.end().await;
}

/// The children of a process, those included that have ended and that nobody has collected.
fn children(parent: Pid) -> Vec<i32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let listed = std::fs::read_to_string(path).unwrap_or_default();
    listed.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// `datanet dev` as process 1 of a container, behind `before`; `None`, said loudly, where there can be none.
fn process_one(user: &Path, before: &str) -> Option<Process> {
    let inside = |script: &str| {
        let mut command = clean(Command::new("unshare"), user);
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script]);
        command
    };
    if !inside("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED, because this user may not make a process namespace");
        return None;
    }
    let mut command = inside(&format!("{before} exec \"$0\" \"$@\""));
    command.arg(env!("CARGO_BIN_EXE_datanet")).args(["dev", "--home", "node", "--set", "api.listen=127.0.0.1:0"]);
    without_downloads(&mut command);
    Some(Process::start(&mut command))
}

#[tokio::test]
async fn process_one_of_a_container_can_be_stopped_while_it_starts() {
    let user = tempfile::tempdir().unwrap();
    let Some(mut outside) = process_one(user.path(), "") else { return };
    let node = Pid::from_raw(until("there is a child", async || children(outside.pid()).first().copied()).await);
    until("it listens", async || hears_sigterm(node).then_some(())).await;
    kill(node, Signal::SIGTERM).unwrap();
    let status = until("it ends", async || outside.0.try_wait().unwrap()).await;
    assert!(status.success(), "{status}: {}", outside.errors());
}

#[tokio::test]
async fn process_one_of_a_container_collects_what_others_left_behind() {
    let user = tempfile::tempdir().unwrap();
    let home = user.path().join("node");
    // The inner shell ends at once, and its child is the node's from then on.
    let Some(mut outside) = process_one(user.path(), "sh -c 'sleep 600 &' <&- >&- 2>&-;") else { return };
    outside.run_file(&home).await;
    let node = Pid::from_raw(children(outside.pid())[0]);
    let orphan = children(node)[0];
    kill(Pid::from_raw(orphan), Signal::SIGKILL).unwrap();
    until("it is collected", async || children(node).is_empty().then_some(())).await;
    kill(node, Signal::SIGTERM).unwrap();
    let status = until("it ends", async || outside.0.try_wait().unwrap()).await;
    assert!(status.success(), "{status}: {}", outside.errors());
}

/// A pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_pipe_that_nobody_reads_is_no_panic_and_no_failure() {
    let user = tempfile::tempdir().unwrap();
    for args in [["--help", ""], ["completions", "bash"], ["init", "--json"], ["init", "--help"]] {
        let args = args.into_iter().filter(|arg| !arg.is_empty());
        let mut command = datanet(user.path());
        let output = command.args(args).stdout(closed_pipe()).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let silent = datanet(user.path()).args(["status", "--home", "absent"]).stderr(closed_pipe()).output().unwrap();
    assert_eq!(silent.status.code(), Some(1), "an error stays one though nobody reads it");
}

#[tokio::test]
async fn a_node_goes_on_when_nobody_reads_what_it_says() {
    let user = tempfile::tempdir().unwrap();
    let home = user.path().join("node");
    let mut node = Process::start(dev(user.path(), &home).stdout(closed_pipe()));
    node.run_file(&home).await;
    assert!(user_command(user.path(), &["status", "--home", "node"]).status.success());
    node.end().await;
}

fn user_command(user: &Path, args: &[&str]) -> Output {
    datanet(user).args(args).output().unwrap()
}

#[test]
fn a_home_with_a_missing_empty_or_cut_file_is_told_by_file_and_fix() {
    let user = tempfile::tempdir().unwrap();
    let home = Home::new(user.path().join("node"));
    let said = |args: &[&str]| refused(&user_command(user.path(), args));
    let start = ["start", "--home", "node", "--set", "consensus.engine=solo"];
    assert!(said(&start).contains("run `datanet init` first"));
    made(&user_command(user.path(), &["init", "--home", "node"]));
    let files: [(PathBuf, &str); 5] = [
        (home.genesis(), "copy it from another node of the network"),
        (home.config(), "`datanet init`"),
        (home.root().join("node-key"), "restore it from a backup"),
        (home.root().join("beacon-key"), "restore it from a backup"),
        (home.root().join("api-token"), "`datanet init` writes a new one"),
    ];
    for (file, fix) in files {
        let whole = std::fs::read(&file).unwrap();
        for cut in ["", "\n"] {
            std::fs::write(&file, cut).unwrap();
            let said = without_model(user.path(), &start);
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(said.contains(name) && said.contains("is empty") && said.contains(fix), "{name}: {said}");
            assert!(!said.contains("init` first"), "{said}");
        }
        std::fs::write(&file, whole).unwrap();
    }
    std::fs::write(home.run_file(), "").unwrap();
    let said = said(&["status", "--home", "node"]);
    assert!(said.contains("run.json") && said.contains("is empty") && said.contains("`datanet start`"), "{said}");
}

/// What a start that fails says, past the log.
fn without_model(user: &Path, args: &[&str]) -> String {
    let mut command = datanet(user);
    command.args(args);
    without_downloads(&mut command);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn foreign_files_among_the_keys_keep_no_node_from_starting() {
    let user = tempfile::tempdir().unwrap();
    let home = user.path().join("node");
    made(&user_command(user.path(), &["init", "--home", "node"]));
    let keys = Home::new(&home).keys();
    for copy in ["node.json~", ".node.json.swp", "._node.json", "node (1).json"] {
        std::fs::copy(keys.join("node.json"), keys.join(copy)).unwrap();
    }
    std::fs::write(keys.join(".DS_Store"), "x").unwrap();
    std::fs::create_dir(keys.join("old.json")).unwrap();
    let mut node = Process::start(&mut dev(user.path(), &home));
    node.run_file(&home).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_given_for_a_file_is_told_before_anything_is_sent() {
    let node = kit::plain_node().await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("records.jsonl");
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    for args in [vec!["datanet", "create", "new", "--holdout", folder], vec!["train", folder]] {
        crate::cli::fails(node.home(), &args, "is a folder; name a file");
    }
    crate::cli::fails(node.home(), &["contribute", "notes", folder], "this is a folder, and no data is in it");
    crate::cli::fails(&dir.path().join("new"), &["init", "--genesis", folder], "is a folder; name a file");
    assert!(!dir.path().join("new").exists(), "a genesis that can't be read makes no home");
}
