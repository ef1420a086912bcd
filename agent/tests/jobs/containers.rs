//! The suite of service managers over a container of a real Docker engine, started for this test, and over a
//! real systemd that is process 1 of such a container.

use crate::services::{conforms, kill};
use crate::support::{Place, is_root, until};
use agent::services::ServiceManager as _;
use agent::services::container::Container;
use agent::services::systemd::Unit;
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

/// A system of nothing but systemd and D-Bus. Programs come from this host's /usr.
fn system_root(place: &Place) {
    let root = place.path("root");
    for folder in ["etc/systemd/system", "run", "tmp", "proc", "sys", "dev", "var", "usr"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for link in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{link}"), root.join(link)).unwrap();
    }
    for (file, content) in [
        ("passwd", "root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:101::/:/usr/sbin/nologin\n"),
        ("group", "root:x:0:\nmessagebus:x:101:\n"),
        ("machine-id", ""),
        ("os-release", ""),
        ("systemd/system/default.target", "[Unit]\nRequires=dbus.socket dbus.service\nAfter=dbus.service\n"),
        ("systemd/system/dbus.socket", "[Socket]\nListenStream=/run/dbus/system_bus_socket\n"),
        (
            "systemd/system/dbus.service",
            "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n[Service]\nType=notify\nNotifyAccess=main\nExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation\n",
        ),
        ("systemd/system/own.service", "[Service]\nExecStart=/bin/sleep 1000\n"),
    ] {
        std::fs::write(root.join("etc").join(file), content).unwrap();
    }
}

#[tokio::test]
async fn a_systemd_unit_keeps_what_every_manager_keeps() {
    let programs = [ENGINE, "/lib/systemd/systemd", "/usr/bin/dbus-daemon", "/sys/fs/cgroup/systemd"];
    if !is_root() || programs.iter().any(|path| !Path::new(path).exists()) {
        return;
    }
    let place = Place::new();
    system_root(&place);
    let engine = Engine::start(&place).await;
    let packed =
        Command::new("tar").args(["-C", &place.text("root"), "-cf", &place.text("root.tar"), "."]).status();
    assert!(packed.unwrap().success());
    engine.run(&["import", &place.text("root.tar"), "system:1"]);
    let bus = place.path("bus");
    std::fs::create_dir(&bus).unwrap();
    let shared = format!("{}:/run/dbus", bus.display());
    let mut run = vec!["run", "--detach", "--name", "svc", "--network", "none", "--cap-add", "SYS_ADMIN"];
    run.extend(["--security-opt", "seccomp=unconfined", "--tmpfs", "/run", "--tmpfs", "/tmp"]);
    run.extend(["--volume", "/usr:/usr:ro", "--volume", &shared]);
    run.extend(["--volume", "/sys/fs/cgroup:/sys/fs/cgroup:ro"]);
    run.extend(["--volume", "/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw", "--env", "container=docker"]);
    run.extend(["system:1", "/lib/systemd/systemd", "--show-status=false"]);
    engine.run(&run);
    let address = format!("unix:path={}", bus.join("system_bus_socket").display());
    let unit = |name: &str| Unit::new(name).unwrap().on_bus(&address);
    until("systemd answers", async || unit("svc.service").status().await.is_ok()).await;
    assert_eq!(unit("svc.service").status().await.unwrap().state, ServiceState::Absent);
    // Units of the administrator stand in /etc; a mask has no room there, and says so.
    assert_eq!(unit("own.service").mask().await.unwrap_err().code, "LB2413");
    let write = "mkdir -p /run/systemd/system && printf '[Service]\nExecStart=/bin/sleep 1000\n' > /run/systemd/system/svc.service && systemctl daemon-reload";
    engine.run(&["exec", "svc", "/bin/sh", "-c", write]);
    conforms(&unit("svc.service"), |pid| engine.run(&["exec", "svc", "/bin/kill", "-9", &pid.to_string()]))
        .await;
    // A leased unit has a group of its own, running or not, and waits for its permit when it is told to.
    let group = unit("svc.service").group().await;
    assert!(group.is_err() || group.as_ref().unwrap().ends_with("system.slice/svc.service"), "{group:?}");
    let permit = Path::new("/run/lifeboat/permits/db");
    assert_eq!(unit("svc.service").waits_for(permit).await.unwrap_err().code, "LB2443");
    let condition = "mkdir -p /run/systemd/system/svc.service.d && printf '[Unit]\nConditionPathExists=|/run/lifeboat/permits/db\nConditionPathExists=|/data/standby.signal\n' > /run/systemd/system/svc.service.d/lease.conf && systemctl daemon-reload";
    engine.run(&["exec", "svc", "/bin/sh", "-c", condition]);
    unit("svc.service").waits_for(permit).await.unwrap();
    // Without a permit it does not start, whoever asks.
    unit("svc.service").stop().await.unwrap();
    let _ = unit("svc.service").start().await;
    assert_ne!(unit("svc.service").status().await.unwrap().state, ServiceState::Running);
    unit("svc.service").mask().await.unwrap();
    let shown = engine.docker(&["exec", "svc", "systemctl", "is-enabled", "svc.service"]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), "masked");
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
