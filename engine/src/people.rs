//! Whoever commands, as the estate in force knows them at that moment.
//!
//! A name comes from a certificate, roles from the estate: they are looked up again for each command, so
//! whoever lost a role has lost it at once. The admin token lets in whoever has it, under any name, so a
//! login by it holds no role of the estate, whatever it calls itself.

use crate::command::{Refused, refuse};
use crate::state::{Question, RunState};
use model::{Micros, Name, UserName};
use plan::RoleHead;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The roles of the estate in force.
pub type Roles = Arc<BTreeMap<Name, RoleHead>>;

/// Somebody who commands.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their name.
    pub name: UserName,
    /// They logged in with the admin token.
    pub admin: bool,
    /// Who has which role now.
    pub roles: Roles,
}

impl Person {
    /// Whether they may start runs and command them: somebody with a role of the estate, or an admin.
    pub fn may_command(&self) -> Result<(), Refused> {
        let has = |role: &RoleHead| role.people.contains(&self.name);
        if self.admin || self.roles.values().any(has) {
            return Ok(());
        }
        refuse(
            "LB1388",
            format!("{} has no role of the estate in force", self.name),
            "Whoever starts and commands runs is named under `roles` of the estate. Looking is free.",
        )
    }

    /// The role, when they hold it.
    fn held<'a>(&'a self, role: &Name, people: &str) -> Result<&'a RoleHead, Refused> {
        let Some(head) = self.roles.get(role) else {
            return refuse(
                "LB1383",
                format!("the estate in force has no role {role}"),
                "Apply an estate that names its people, then answer.",
            );
        };
        if self.admin {
            return refuse(
                "LB1380",
                format!("the admin token speaks for nobody, and this is for {role}: {people}"),
                "Make a token for that person (`lifeboat token create --user NAME`), and let them log in with it.",
            );
        }
        if !head.people.contains(&self.name) {
            return refuse(
                "LB1380",
                format!("{} does not hold the role {role}", self.name),
                format!("One of its people must answer: {people}."),
            );
        }
        Ok(head)
    }
}

/// The people of a role, for sentences.
pub fn people_of(roles: &Roles, role: &Name) -> String {
    let names = roles.get(role).map(|head| head.people.iter().map(UserName::as_str).collect::<Vec<_>>());
    names.map_or_else(|| "nobody".to_string(), |names| names.join(", "))
}

/// How somebody says yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As one of those who are asked.
    Plain,
    /// Alone, because nobody else is there.
    BreakGlass,
}

/// Whether they may decline a question: whoever holds its role, who asked for the run too.
pub(crate) fn may_decline(question: &Question, person: &Person) -> Result<(), Refused> {
    match &question.role {
        Some(role) => person.held(role, &people_of(&person.roles, role)).map(|_| ()),
        None => person.may_command(),
    }
}

/// Whether they may approve a question now, in that way.
pub(crate) fn may_approve(
    state: &RunState,
    question: &Question,
    person: &Person,
    way: Way,
    now: Micros,
) -> Result<(), Refused> {
    let Some(role) = &question.role else {
        return match way {
            Way::Plain => person.may_command(),
            Way::BreakGlass => refuse(
                "LB1384",
                "this question names no role: there is no glass to break",
                "Approve it without --break-glass.",
            ),
        };
    };
    let head = person.held(role, &people_of(&person.roles, role))?;
    let asked_for_it = person.name == state.requested_by;
    match way {
        Way::BreakGlass => may_break_glass(question, person, head, asked_for_it, now),
        Way::Plain if asked_for_it => refuse(
            "LB1381",
            format!("{} asked for this run, and somebody else must approve it", person.name),
            match head.break_glass {
                true => format!(
                    "Ask one of {role}: {}. Where nobody else is there: --break-glass.",
                    people_of(&person.roles, role)
                ),
                false => format!("Ask one of {role}: {}.", people_of(&person.roles, role)),
            },
        ),
        Way::Plain if question.voices.iter().any(|voice| voice.by == person.name) => refuse(
            "LB1382",
            format!(
                "{} has approved it already; {} of {} have",
                person.name,
                question.voices.len(),
                question.needed
            ),
            format!("Ask another one of {role}: {}.", people_of(&person.roles, role)),
        ),
        Way::Plain => Ok(()),
    }
}

fn may_break_glass(
    question: &Question,
    person: &Person,
    role: &RoleHead,
    asked_for_it: bool,
    now: Micros,
) -> Result<(), Refused> {
    if !role.break_glass {
        return refuse(
            "LB1384",
            "the role does not allow one person to approve alone",
            "The estate says it: `break-glass: true` in the role. Until then its people must answer.",
        );
    }
    if question.below_unreachable {
        return refuse(
            "LB1386",
            "there is no evidence at all, and no one person may waive that",
            "Two people of the role must approve it; or obtain evidence: power the host off, or cut it off.",
        );
    }
    let alone = role.people.iter().all(|one| *one == person.name);
    let expired = now >= question.expires_at;
    if alone && (asked_for_it || question.needed > 1) {
        return Ok(());
    }
    if !expired {
        return refuse(
            "LB1385",
            format!("others may still answer, until {}", question.expires_at),
            "Wait for them, or approve without --break-glass. One person decides alone only when nobody else has the role, or when nobody has answered in time.",
        );
    }
    if !question.told.iter().any(|told| !told.channels.is_empty()) {
        return refuse(
            "LB1387",
            "nobody was told of this question: no channel took the message",
            "Declare a channel that works, then ask again with `retry`: what nobody heard of, nobody could answer.",
        );
    }
    Ok(())
}
