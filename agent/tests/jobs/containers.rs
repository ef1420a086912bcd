//! The suite of service managers over a container of a real Docker engine, started for this test.

use crate::services::{conforms, kill};
use crate::support::{Place, is_root, until};
use agent::services::ServiceManager as _;
use agent::services::container::Container;
use model::Name;
use model::jobs::ServiceState;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const ENGINE: &str = "/usr/sbin/dockerd";
/// Quiet, and gone at once when it is asked to stop.
const PROGRAM: &str = "trap 'exit 0' TERM; while :; do sleep 0.2; done";

/// An engine with its own data and socket, without any network.
struct Engine {
    daemon: Child,
    address: String,
}

impl Engine {
    async fn start(place: &Place) -> Engine {
        let address = format!("unix://{}", place.text("d.sock"));
        let log = std::fs::File::create(place.path("dockerd.log")).unwrap();
        let daemon = Command::new(ENGINE)
            .args(["--data-root", &place.text("data"), "--exec-root", &place.text("exec")])
            .args(["--host", &address, "--pidfile", &place.text("d.pid")])
            .args(["--iptables=false", "--bridge=none"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let engine = Engine { daemon, address };
        until("the engine answers", async || engine.docker(&["version"]).status.success()).await;
        engine
    }

    fn docker(&self, args: &[&str]) -> Output {
        Command::new("docker").arg("--host").arg(&self.address).args(args).output().unwrap()
    }

    fn run(&self, args: &[&str]) {
        let output = self.docker(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// An image of nothing but a shell and sleep, with the libraries that they need.
    fn image(&self, place: &Place) {
        let mut files = vec!["/bin/sh".to_string(), "/bin/sleep".to_string()];
        for program in ["/bin/sh", "/bin/sleep"] {
            let listed = Command::new("ldd").arg(program).output().unwrap();
            let text = String::from_utf8(listed.stdout).unwrap();
            files.extend(
                text.split_whitespace().filter(|word| Path::new(word).is_absolute()).map(str::to_string),
            );
        }
        files.sort();
        files.dedup();
        let archive = place.text("image.tar");
        let packed = Command::new("tar").args(["-chf", &archive]).args(&files).output().unwrap();
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
        self.run(&["import", &archive, "tiny:1"]);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.docker(&["rm", "--force", "svc"]);
        let pid = rustix::process::Pid::from_child(&self.daemon);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.daemon.wait();
    }
}

#[tokio::test]
async fn a_container_keeps_what_every_manager_keeps() {
    if !is_root() || !Path::new(ENGINE).exists() {
        return;
    }
    let place = Place::new();
    let engine = Engine::start(&place).await;
    engine.image(&place);
    engine.run(&["create", "--name", "svc", "--network", "none", "tiny:1", "/bin/sh", "-c", PROGRAM]);
    let name = Name::new("svc").unwrap();
    let manager = Container::new(&name, "svc", &place.state()).unwrap().on_engine(&engine.address);
    conforms(&manager, kill).await;

    // Masked, the engine does not start it again either; unmasked, its own restart policy is back.
    engine.run(&["update", "--restart", "always", "svc"]);
    manager.start().await.unwrap();
    manager.mask().await.unwrap();
    kill(manager.status().await.unwrap().pid.unwrap());
    until("it is seen gone", async || manager.status().await.unwrap().state == ServiceState::Masked).await;
    let policy = || {
        let output = engine.docker(&["inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", "svc"]);
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    };
    assert_eq!(policy(), "no");
    manager.unmask().await.unwrap();
    assert_eq!(policy(), "always");

    let absent = Container::new(&name, "nobody", &place.state()).unwrap().on_engine(&engine.address);
    assert_eq!(absent.status().await.unwrap().state, ServiceState::Absent);
}
