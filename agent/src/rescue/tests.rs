#![allow(clippy::unwrap_used)]
use super::*;
use crate::lease::Leases;
use crate::policy::Policy;
use crate::spool::Spool;
use model::{Epoch, HostName, Micros, Name};
use runtime::lifecycle::Shutdown;
use runtime::offline::SecretKey;
use runtime::tasks::Tasks;
use runtime::tls::Ca;
use uuid::Uuid;

struct Host {
    folder: tempfile::TempDir,
    key: SecretKey,
    ca: Ca,
}

impl Host {
    fn new() -> Host {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::create("ca", Micros(1_800_000_000_000_000), Uuid::from_u128(1)).unwrap();
        std::fs::create_dir(folder.path().join("identity")).unwrap();
        std::fs::write(folder.path().join("identity/ca.pem"), ca.certificate_pem()).unwrap();
        std::fs::write(folder.path().join("policy.yaml"), "version: 1\njobs: []\n").unwrap();
        Host { folder, key: SecretKey::make("AGE-SECRET-KEY-1T", "age1t").unwrap(), ca }
    }

    /// A new life of the agent's look-out, with its desk.
    fn lookout(&self) -> (Lookout, Desk) {
        let state = self.folder.path();
        let clock = Clock::system();
        let deps = crate::desk::Deps {
            state_dir: state.to_path_buf(),
            policy: Arc::new(Policy::load(&state.join("policy.yaml")).unwrap()),
            leases: Leases::default(),
            clock: clock.clone(),
            tasks: Tasks::new(Shutdown::new()),
        };
        let desk = Desk::open(deps, Spool::open(state).unwrap()).unwrap();
        let deps = Deps {
            state_dir: state.to_path_buf(),
            run_dir: state.to_path_buf(),
            desk: desk.clone(),
            files: Files::new(state),
            keeper: Arc::new(Keeper::open(state, HostName::new("h").unwrap()).unwrap()),
            clock,
            after: Duration::ZERO,
        };
        (Lookout::open(deps).unwrap(), desk)
    }

    /// Puts a signed call where somebody on the host would.
    fn call(&self, key: &SecretKey, number: u64, holder: u128, ca_hash: &str) {
        let call = Call {
            epoch: Epoch { number, holder: Uuid::from_u128(holder) },
            name: Name::new("rescue").unwrap(),
            at: vec![format!("127.0.0.1:{holder}")],
            ca_hash: ca_hash.to_string(),
            made_at: Micros(1),
        };
        let signed = key.sign(WHAT, &serde_json::to_string(&call).unwrap());
        std::fs::write(self.folder.path().join(CALL_FILE), signed).unwrap();
    }
}

fn nobody() -> Dial {
    Arc::new(|_| Box::pin(async { Err("nobody is there".into()) }))
}

#[tokio::test]
async fn a_call_of_the_pinned_key_is_obeyed_and_of_two_with_one_number_the_first() {
    let host = Host::new();
    let (lookout, desk) = host.lookout();
    host.call(&host.key, 7, 1, host.ca.hash());
    lookout.look(&nobody()).await.unwrap();
    assert!(!lookout.is_due() && lookout.addresses().is_empty(), "no key was pinned yet");
    lookout.learn(&host.key.public().to_string(), &["office:7443".to_string()]);
    assert!(lookout.is_due());
    lookout.look(&nobody()).await.unwrap();
    assert_eq!(lookout.addresses(), ["127.0.0.1:1"]);
    let seen = || desk.read(|spool| spool.memory().epoch.unwrap());
    assert_eq!(seen(), Epoch { number: 7, holder: Uuid::from_u128(1) });
    // A second rescue with the same number, and an older one.
    for number in [7, 6] {
        host.call(&host.key, number, 2, host.ca.hash());
        lookout.look(&nobody()).await.unwrap();
        assert_eq!(
            (lookout.addresses(), seen().holder),
            (vec!["127.0.0.1:1".to_string()], Uuid::from_u128(1))
        );
    }
    // Both survive the agent; a higher number wins.
    drop((lookout, desk));
    let (lookout, desk) = host.lookout();
    assert_eq!(lookout.addresses(), ["127.0.0.1:1"]);
    host.call(&host.key, 8, 2, host.ca.hash());
    lookout.look(&nobody()).await.unwrap();
    assert_eq!(lookout.addresses(), ["127.0.0.1:2"]);
    assert_eq!(desk.read(|spool| spool.memory().epoch.unwrap().number), 8);
    // The controller of the settings is back and obeyed: the rescue is over here.
    lookout.reached("127.0.0.1:2");
    assert_eq!(lookout.addresses(), ["127.0.0.1:2"]);
    lookout.reached("controller:7443");
    assert!(lookout.addresses().is_empty());
}

#[tokio::test]
async fn a_call_of_another_key_or_another_ca_is_not_believed_and_the_key_is_not_changed() {
    let host = Host::new();
    let (lookout, desk) = host.lookout();
    lookout.learn(&host.key.public().to_string(), &[]);
    let other = SecretKey::make("AGE-SECRET-KEY-1T", "age1t").unwrap();
    // Who has the controller for a day does not have the hosts for ever.
    lookout.learn(&other.public().to_string(), &["evil:1".to_string()]);
    host.call(&other, 7, 1, host.ca.hash());
    lookout.look(&nobody()).await.unwrap();
    host.call(&host.key, 7, 1, "another");
    lookout.look(&nobody()).await.unwrap();
    std::fs::write(host.folder.path().join(CALL_FILE), "nonsense").unwrap();
    lookout.look(&nobody()).await.unwrap();
    assert!(lookout.addresses().is_empty());
    assert_eq!(desk.read(|spool| spool.memory().epoch), None);
}
