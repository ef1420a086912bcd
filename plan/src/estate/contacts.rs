//! `contacts`: people, and how they are reached when nothing of ours answers.

use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{Noun, PLAIN, Type, may, need};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;

pub(crate) static NOUN: Noun = Noun {
    section: "contacts",
    name: "contact",
    doc: "People by the name that they have in roles, and how each is reached.",
    fields: &[
        need("name", Type::Words, "What people call them."),
        may("phone", Type::Words, "A number that rings without anything of ours."),
        may("email", Type::Words, "An address."),
        may(
            "mail-region",
            Type::Of(&["region"]),
            "The failure domain of the mail server, where it is one of ours.",
        ),
        may("chat", Type::Words, "Their name on `channel`, like @anna."),
        may("channel", Type::Of(&["channel"]), "The channel on which they read that name."),
        may("title", Type::Words, "What they are: CTO, DevOps lead."),
    ],
    ..PLAIN
};

/// A person.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    /// What people call them.
    pub name: String,
    /// What they are.
    pub title: Option<String>,
    /// A telephone number.
    pub phone: Option<String>,
    /// An address.
    pub email: Option<String>,
    /// Where the server of that address stands.
    pub mail_region: Option<At<Name>>,
    /// Their name on the channel.
    pub chat: Option<String>,
    /// The channel on which they read.
    pub channel: Option<At<Name>>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Contact> {
    let fields = Fields::of(node, format!("contact {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
    let called = fields.need("name", sink).and_then(|node| values::words(node, sink));
    let phone = fields.get("phone").map(|node| values::words(node, sink));
    let email = fields.get("email").map(|node| values::words(node, sink));
    let mail = fields.get("mail-region").map(|node| values::reference(node, &["region"], sink));
    let chat = fields.get("chat").map(|node| values::words(node, sink));
    let channel = fields.get("channel").map(|node| values::reference(node, &["channel"], sink));
    let title = fields.get("title").map(|node| values::words(node, sink));
    fields.finish(sink);
    if phone.is_none() && email.is_none() && channel.is_none() {
        let message = format!("contact {:?} can be reached nowhere", name.as_str());
        let help = "give a `phone`, an `email`, or `chat` and its `channel`".to_string();
        sink.push_with(&codes::MISSING, owner, message, help);
        return None;
    }
    if chat.is_some() != channel.is_some() {
        let message = "`chat` and `channel` belong together".to_string();
        sink.push(&codes::MISSING, owner, message);
        return None;
    }
    Some(Contact {
        name: called.unwrap_or_else(|| name.to_string()),
        title: title.flatten(),
        phone: phone.flatten(),
        email: email.flatten(),
        mail_region: flat(mail)?,
        chat: chat.flatten(),
        channel: flat(channel)?,
    })
}
