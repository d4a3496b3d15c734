//! Two machines: what `docs/operating.md` says about joining, typed as it stands there.
//!
//! Each machine is a network namespace with an address of its own; a cable joins them. Nothing here knows a port or an
//! address that a person would not read off the screen.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::passages::{SUBJECTS, passages, upload};
use crate::scene::until;
use crate::stage::{PROGRAM, root, with_tools};

/// The guide whose commands are typed.
const GUIDE: &str = include_str!("../../../docs/operating.md");
/// Lines of a log that are shown when this fails.
const LAST_LINES: usize = 30;

#[test]
fn a_node_on_another_machine_joins_as_documented_and_gets_the_bytes() -> Result<()> {
    with_tools(async || {
        let cable = match Cable::lay() {
            Ok(cable) => cable,
            Err(error) if std::env::var_os("CI").is_some() => {
                return Err(error.context("CI must be able to make network namespaces"));
            }
            Err(error) => {
                eprintln!("\n*** SKIPPED: this machine lets nobody make network namespaces ***\n{error:#}\n");
                return Ok(());
            }
        };
        let dir = root().join("machines");
        let _ = std::fs::remove_dir_all(&dir);
        let mut first = Machine::new(&cable.first, &dir)?;
        let mut second = Machine::new(&cable.second, &dir)?;
        let played = join(&mut first, &mut second).await;
        played.inspect_err(|_| [&first, &second].iter().for_each(|machine| machine.show_log()))
    })
}

async fn join(first: &mut Machine, second: &mut Machine) -> Result<()> {
    let [on_first, on_second] = documented()?;
    first.type_all(&on_first).await?;
    let contribution = give(first).await?;

    // What a person copies: the genesis, and the commands that the screen shows.
    let status = first.json("datanet status --json")?;
    let join = &status["join"];
    let genesis = join["genesis"].as_str().context("nothing is said about joining")?;
    std::fs::copy(genesis, second.dir.join("genesis.json")).context("cannot copy the genesis")?;
    let shown: Vec<String> = serde_json::from_value(join["commands"].clone())?;
    let screen = first.output("datanet status")?;
    for command in &shown {
        ensure!(screen.contains(command.as_str()), "{command:?} is not on the screen: {screen}");
        ensure!(!command.contains("0.0.0.0") && !command.contains("127.0.0.1"), "nobody can dial that: {command}");
    }
    let alike = on_second.len() == shown.len() && on_second.iter().zip(&shown).all(|(doc, shown)| is_alike(doc, shown));
    ensure!(alike, "the guide says {on_second:?}, the screen {shown:?}");
    second.type_all(&shown).await?;

    let height = first.json("datanet status --json")?["height"].as_u64().context("no height")?;
    until("the second machine has the blocks, a peer and the bytes", async || {
        let status = second.json("datanet status --json")?;
        let here = status["height"].as_u64() >= Some(height)
            && status["peers"] == 1
            && status["consensus_peers"] == 1
            && status["contributions_held"] == 1;
        if here { Ok(Some(())) } else { bail!("{status}") }
    })
    .await?;
    let peers = second.output("datanet peers --json")?;
    ensure!(peers.contains(&first.address), "the first machine is known by another address: {peers}");
    until("what was contributed on the first machine is found on the second", async || {
        let found = second.json("datanet search --datanet far hive --json")?;
        Ok(found["hits"]
            .as_array()
            .is_some_and(|hits| hits.iter().any(|hit| hit["contribution"] == contribution))
            .then_some(()))
    })
    .await
}

/// Opens a datanet on this machine's node and contributes to it.
async fn give(machine: &Machine) -> Result<Value> {
    let passages = passages();
    std::fs::write(machine.dir.join("holdout.jsonl"), upload(&passages.held_out))?;
    std::fs::write(machine.dir.join("given.jsonl"), upload(&passages.given))?;
    until("the first machine's node is registered", async || {
        let roles = &machine.json("datanet status --json")?["roles"];
        Ok(roles.as_array().is_some_and(|roles| !roles.is_empty()).then_some(()))
    })
    .await?;
    machine.output(&format!("datanet datanet create far --holdout holdout.jsonl --labels {}", SUBJECTS.join(",")))?;
    machine.output("datanet contribute far given.jsonl")?;
    let listed = machine.json("datanet contributions far --json")?;
    let contributions = listed["contributions"].as_array().context("no list of contributions")?;
    ensure!(contributions.len() == 1 && contributions[0]["state"] == "final", "it did not become final: {listed}");
    Ok(contributions[0]["id"].clone())
}

/// The commands of the guide's section on joining, for the first machine and for the second.
fn documented() -> Result<[Vec<String>; 2]> {
    let (_, section) = GUIDE.split_once("## Two machines").context("the guide has no section on two machines")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut blocks = section.split("```sh\n").skip(1).map(|block| {
        let block = block.split("```").next().unwrap_or_default().replace("\\\n", " ");
        let line =
            |line: &str| line.split(" #").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        block.lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>()
    });
    let mut next = || blocks.next().context("the guide's section on two machines has too few commands");
    Ok([next()?, next()?])
}

/// Whether a command of the guide, with `…` for what differs, is one that was shown.
fn is_alike(documented: &str, shown: &str) -> bool {
    let (documented, shown): (Vec<_>, Vec<_>) = (documented.split(' ').collect(), shown.split(' ').collect());
    let word = |(doc, shown): (&&str, &&str)| match doc.split_once('…') {
        Some((before, _)) => shown.starts_with(before),
        None => doc == shown,
    };
    documented.len() == shown.len() && documented.iter().zip(&shown).all(word)
}

/// One of the two machines.
struct Machine {
    namespace: String,
    address: String,
    dir: PathBuf,
    node: Option<Child>,
}

impl Machine {
    fn new((namespace, address): &(String, String), dir: &Path) -> Result<Self> {
        let dir = dir.join(namespace);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { namespace: namespace.clone(), address: address.clone(), dir, node: None })
    }

    /// `datanet …` as it would be typed on this machine.
    fn command(&self, typed: &str) -> Result<Command> {
        let mut words = typed.split(' ');
        ensure!(words.next() == Some("datanet"), "{typed:?} is no command of ours");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, PROGRAM, "node"]).args(words).current_dir(&self.dir);
        command.env("DATANET_HOME", self.dir.join("home")).stdin(Stdio::null());
        Ok(command)
    }

    /// Types commands one after the other; `datanet start` stays, and is waited for until its node answers.
    async fn type_all(&mut self, commands: &[String]) -> Result<()> {
        for typed in commands {
            if typed != "datanet start" {
                self.output(typed)?;
                continue;
            }
            let log = std::fs::File::create(self.dir.join("log"))?;
            let node =
                self.command(typed)?.stdout(log.try_clone()?).stderr(log).spawn().context("cannot start a node")?;
            self.node = Some(node);
            until("the node answers", async || Ok(self.json("datanet status --json").ok().map(|_| ()))).await?;
        }
        Ok(())
    }

    fn output(&self, typed: &str) -> Result<String> {
        let done = self.command(typed)?.output().with_context(|| format!("cannot type {typed:?}"))?;
        ensure!(done.status.success(), "{typed:?} failed: {}", String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8(done.stdout)?)
    }

    fn json(&self, typed: &str) -> Result<Value> {
        serde_json::from_str(&self.output(typed)?).with_context(|| format!("{typed:?} printed no JSON"))
    }

    fn show_log(&self) {
        let text = std::fs::read(self.dir.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        eprintln!("--- the last lines of {}\n{last}", self.dir.join("log").display());
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let Some(mut node) = self.node.take() else { return };
        if let Ok(pid) = i32::try_from(node.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = node.wait();
    }
}

/// Two network namespaces, each with an address and a way to the other; gone when dropped.
struct Cable {
    /// Name and address.
    first: (String, String),
    second: (String, String),
}

impl Cable {
    fn lay() -> Result<Self> {
        let name = |end: char| format!("datanet-{}-{end}", std::process::id());
        let end = |end, host| (name(end), format!("10.181.37.{host}"));
        let cable = Self { first: end('a', 1), second: end('b', 2) };
        // Whatever is made before something fails is taken away again.
        for (namespace, _) in [&cable.first, &cable.second] {
            ip(&["netns", "add", namespace])?;
        }
        let [a, b] = ["dnta", "dntb"].map(|end| format!("{end}{}", std::process::id() % 1_000_000));
        ip(&[
            "link",
            "add",
            &a,
            "netns",
            &cable.first.0,
            "type",
            "veth",
            "peer",
            "name",
            &b,
            "netns",
            &cable.second.0,
        ])?;
        for ((namespace, address), link, other) in
            [(&cable.first, &a, &cable.second.1), (&cable.second, &b, &cable.first.1)]
        {
            ip(&["-n", namespace, "addr", "add", &format!("{address}/24"), "dev", link])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
            ip(&["-n", namespace, "link", "set", link, "up"])?;
            ip(&["-n", namespace, "route", "add", "default", "via", other])?;
        }
        Ok(cable)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for (namespace, _) in [&self.first, &self.second] {
            let _ = ip(&["netns", "del", namespace]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let done = Command::new("ip").args(arguments).output().context("there is no `ip` here (package iproute2)")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "`ip {}` failed: {}", arguments.join(" "), said.trim());
    Ok(())
}
