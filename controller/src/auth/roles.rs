//! The one table of who may call what. What has no row is denied.

use super::Caller;
use runtime::tls::Identity;

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Also without a certificate.
    Anyone,
    /// Whoever has a certificate.
    Certified,
    /// An agent.
    Agent,
    /// A person.
    User,
    /// A person who has a role of the estate in force, whichever, or the role admin.
    Operator,
    /// A person with the role admin.
    Admin,
}

/// How long a call may last, which decides how it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One answer.
    Call,
    /// A stream that a person watches.
    Watch,
    /// An agent's session.
    Session,
}

/// A method, who may call it, and its shape.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// `/package.Service/Method`.
    pub method: &'static str,
    /// Who.
    pub who: Who,
    /// Its shape.
    pub shape: Shape,
}

const fn call(method: &'static str, who: Who) -> Row {
    Row { method, who, shape: Shape::Call }
}

const fn watch(method: &'static str, who: Who) -> Row {
    Row { method, who, shape: Shape::Watch }
}

/// Every method that may be called.
pub const TABLE: &[Row] = &[
    call("/lifeboat.v1.Enrolment/Enrol", Who::Anyone),
    call("/lifeboat.v1.Enrolment/Login", Who::Anyone),
    call("/lifeboat.v1.Enrolment/Renew", Who::Certified),
    call("/lifeboat.v1.Enrolment/Recover", Who::Anyone),
    call("/lifeboat.v1.Enrolment/CreateToken", Who::Admin),
    Row { method: "/lifeboat.v1.AgentLink/Connect", who: Who::Agent, shape: Shape::Session },
    call("/lifeboat.v1.Estate/Apply", Who::Admin),
    call("/lifeboat.v1.Estate/Get", Who::User),
    call("/lifeboat.v1.Runs/Start", Who::Operator),
    watch("/lifeboat.v1.Runs/Watch", Who::User),
    call("/lifeboat.v1.Runs/List", Who::User),
    call("/lifeboat.v1.Runs/Show", Who::User),
    call("/lifeboat.v1.Runs/Cancel", Who::Operator),
    call("/lifeboat.v1.Runs/Pause", Who::Operator),
    call("/lifeboat.v1.Runs/Resume", Who::Operator),
    call("/lifeboat.v1.Runs/Unwind", Who::Operator),
    call("/lifeboat.v1.Runs/End", Who::Operator),
    call("/lifeboat.v1.Runs/Approve", Who::Operator),
    call("/lifeboat.v1.Runs/Answer", Who::Operator),
    call("/lifeboat.v1.Runs/Retry", Who::Operator),
    call("/lifeboat.v1.Runs/Skip", Who::Operator),
    call("/lifeboat.v1.Runs/Waive", Who::Operator),
    call("/lifeboat.v1.Audit/Verify", Who::Operator),
    call("/lifeboat.v1.Audit/List", Who::User),
    call("/lifeboat.v1.Backups/Points", Who::User),
    call("/lifeboat.v1.Fleet/Status", Who::User),
    call("/lifeboat.v1.Rescue/Call", Who::Agent),
    call("/grpc.health.v1.Health/Check", Who::Anyone),
    watch("/grpc.health.v1.Health/Watch", Who::User),
    watch("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Who::User),
];

/// The row of a method.
pub fn row(method: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.method == method)
}

impl Who {
    /// Whether the caller may, by their certificate. Of an [`Who::Operator`] that is half of it: the other half
    /// is the estate's ([`engine::Person::may_command`]).
    pub fn admits(self, caller: &Caller) -> bool {
        match (self, &caller.identity) {
            (Who::Anyone, _) => true,
            (Who::Certified, identity) => identity.is_some(),
            (Who::Agent, Some(Identity::Agent(_))) => true,
            (Who::User | Who::Operator, Some(Identity::User { .. })) => true,
            (Who::Admin, Some(Identity::User { .. })) => caller.is_admin(),
            (Who::Agent | Who::User | Who::Operator | Who::Admin, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::{HostName, Name, UserName};
    use prost::Message;

    fn methods_of(descriptors: &[u8]) -> Vec<String> {
        let set = prost_types::FileDescriptorSet::decode(descriptors).unwrap();
        let services = set.file.iter().flat_map(|file| {
            let package = file.package().to_string();
            file.service.iter().map(move |service| (package.clone(), service))
        });
        services
            .flat_map(|(package, service)| {
                let name = service.name().to_string();
                service.method.iter().map(move |method| format!("/{package}.{name}/{}", method.name()))
            })
            .collect()
    }

    #[test]
    fn every_method_of_every_service_has_exactly_one_row() {
        let mut methods = methods_of(proto::v1::DESCRIPTORS);
        assert!(methods.len() > 15, "{methods:?}");
        methods.extend(methods_of(tonic_health::pb::FILE_DESCRIPTOR_SET));
        methods.extend(methods_of(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET));
        for method in &methods {
            assert_eq!(TABLE.iter().filter(|row| row.method == method).count(), 1, "{method}");
        }
        for row in TABLE {
            assert!(methods.iter().any(|method| method == row.method), "{} does not exist", row.method);
        }
    }

    #[test]
    fn what_has_no_row_is_denied() {
        assert!(row("/lifeboat.v1.Runs/Destroy").is_none());
        assert!(row("lifeboat.v1.Runs/Start").is_none());
    }

    #[test]
    fn agents_and_people_are_told_apart() {
        let with = |identity| Caller { identity, ..Caller::default() };
        let nobody = with(None);
        let agent = with(Some(Identity::Agent(HostName::new("db-1").unwrap())));
        let user = |roles| with(Some(Identity::User { name: UserName::new("ada").unwrap(), roles }));
        let person = user(vec![]);
        let admin = user(vec![Name::new("admin").unwrap()]);
        let admitted = |who: Who| [&nobody, &agent, &person, &admin].map(|caller| who.admits(caller));
        assert_eq!(admitted(Who::Anyone), [true, true, true, true]);
        assert_eq!(admitted(Who::Certified), [false, true, true, true]);
        assert_eq!(admitted(Who::Agent), [false, true, false, false]);
        assert_eq!(admitted(Who::User), [false, false, true, true]);
        assert_eq!(admitted(Who::Operator), [false, false, true, true]);
        assert_eq!(admitted(Who::Admin), [false, false, false, true]);
    }
}
