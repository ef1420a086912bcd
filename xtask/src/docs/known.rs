//! What the sources cannot say about a code, because its message is put together elsewhere: by a
//! database, by the system, or by the check that a name must pass.

use super::codes::Found;
use std::collections::BTreeMap;

/// Code, what it means, what to do (empty where the source has an advice).
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "LB1137",
        "The controller cannot listen for the signals by which it is stopped.",
        "Report this with the message; the controller did not start.",
    ),
    (
        "LB1247",
        "What was typed for a rescue does not fit: its folder, its addresses, its name or who is named as lost. The message says which.",
        "",
    ),
    (
        "LB1329",
        "A check or another question that changes nothing gave no answer in time, so there is no answer to go by.",
        "See whether the agent is up (`lifeboat status`), then retry the step.",
    ),
    ("LB1375", "The text that was given as the name of a plan cannot be a name.", ""),
    ("LB1377", "The text that was given as the name of a source cannot be a name.", ""),
    (
        "LB2120",
        "The agent's spool could not be read or written: the message names the file and what the system said.",
        "",
    ),
    ("LB2161", "The name of this host in the agent's settings cannot be a name.", ""),
    (
        "LB2181",
        "The order names a service, a manager of it or a program that this host's policy does not list.",
        "If it may be done, add the line that the message shows to the policy file and restart the agent.",
    ),
    ("LB2303", "PostgreSQL refuses the connection: the database does not exist or takes no connections.", ""),
    ("LB2304", "PostgreSQL refuses the connection: role, password or address are not allowed in.", ""),
    ("LB2305", "PostgreSQL refuses the statement: the role may not do that.", ""),
    ("LB2306", "PostgreSQL, or the way to it, failed; the message has the server's own words.", ""),
    ("LB2405", "The lock that keeps start, stop and mask of one service apart could not be taken.", ""),
    ("LB2406", "The log, the record or the mask of a supervised process could not be written.", ""),
    ("LB2407", "The program of a supervised process could not be started.", ""),
    ("LB3001", "The repository's storage does not have an object that should be there.", ""),
    ("LB3002", "An object that was to be written exists already. It is never overwritten.", ""),
    ("LB3003", "An object is shorter than it must be.", ""),
    ("LB3004", "The storage of the repository is full, so no snapshot was written.", ""),
    ("LB3005", "The storage of the repository refuses access.", ""),
    ("LB3006", "The storage of the repository cannot be reached now.", ""),
    ("LB3007", "The storage of the repository failed; the message has its own words.", ""),
    ("LB3008", "The object lies in an archive class of the service and was not thawed.", ""),
    (
        "LB3037",
        "A lifecycle rule of the bucket moves or removes objects of the repository by their age, and an old pack may hold data of today's snapshot.",
        "Remove the rule, or let it be for another prefix; rules on noncurrent versions and incomplete uploads are fine. To pay less for packs that are read seldom, use `--pack-class`.",
    ),
    ("LB4002", "A file of the login, of the settings or of the estate could not be read or written.", ""),
    ("LB4004", "The text that was given as a user's name cannot be a name.", ""),
    ("LB4013", "The text that was given as a length of time cannot be read.", ""),
    ("LB4020", "The folder has no estate: no YAML file was found in it.", ""),
    ("LB4021", "The folder holds more than an estate may have.", ""),
    ("LB4033", "The step has no attempt, or more than one, that a person could answer for.", ""),
    (
        "LB4043",
        "The controller could not load this run, so it set it aside; the other runs go on. The message says why.",
        "Do what the message says; `lifeboat runs list` shows whether it is driven again.",
    ),
    ("LB4060", "A file could not be read as YAML, or holds several documents, so nothing was done.", ""),
    (
        "LB4061",
        "The layout could not be made without a risk for what the file says, so it was left alone.",
        "",
    ),
    ("LB4062", "A file could not be compared.", ""),
    ("LB4063", "Nothing to draft an estate from was found.", ""),
    ("LB4064", "The file to draft an estate from is no YAML.", ""),
    ("LB4065", "It was not said which runbooks go where.", ""),
    ("LB4066", "The estate has no plan that a runbook could be made of.", ""),
    ("LB4067", "A file that is no runbook stands where one is to be written, so nothing was written.", ""),
    ("LB5411", "A certificate could not be read.", "Enrol or log in again to get a new one."),
    (
        "LB5412",
        "A certificate is valid but names no host, person or controller of Lifeboat.",
        "Use a certificate that this controller's own CA signed: enrol or log in again.",
    ),
    (
        "LB5413",
        "A name in a certificate is no identity of Lifeboat.",
        "Use a certificate that this controller's own CA signed: enrol or log in again.",
    ),
    (
        "LB5431",
        "The text is not a join token, or not a whole one.",
        "Copy the token again as `lifeboat token create HOST` printed it; it is shown once, so make a new one if it is gone.",
    ),
];

/// Adds what is known to the codes that the sources have.
pub fn add(codes: &mut BTreeMap<String, Found>) {
    for (code, meaning, advice) in KNOWN {
        if let Some(found) = codes.get_mut(*code) {
            found.meanings.insert(meaning.to_string());
            found.advices.extend((!advice.is_empty()).then(|| advice.to_string()));
        }
    }
}

/// Codes that are known here and that no source has.
pub fn gone(codes: &BTreeMap<String, Found>) -> Vec<&'static str> {
    KNOWN.iter().map(|(code, _, _)| *code).filter(|code| !codes.contains_key(*code)).collect()
}
