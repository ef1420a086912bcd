//! Texts of an estate that look like markup, or like a shell: they stay texts.

use super::{of_texts, page, root};
use model::Mode;
use plan::SourceFile;
use pulldown_cmark::{Event, Options, Parser, Tag};

const HARD: [&str; 14] = [
    "a | b | c",
    "`code` and ``more``",
    "<script>alert(1)</script>",
    "*bold* _under_ ~~gone~~",
    "[x](javascript:alert(1))",
    "# no heading",
    "- no point",
    "1. no number",
    "&lt;b&gt; &amp;",
    "ends with a backslash \\",
    "$(touch /tmp/x); `id`; \"; 'quoted'",
    "--- === +++ >>> ~~~",
    "```sh",
    "![img](https://evil.example/x.png) <https://evil.example>",
];

/// The example with a text in every place where one may stand.
fn with(text: &str) -> plan::CheckedEstate {
    let quoted = serde_json::to_string(text).unwrap();
    let folder = root().join("deploy/examples/region-failover");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let contacts = format!(
        "\ncontacts:\n  admin: {{ name: {quoted}, phone: {quoted}, email: {quoted}, title: {quoted} }}\n"
    );
    let estate = read("estate.yaml") + &contacts;
    let estate = estate.replace("http://198.51.100.20:8080/health", "\"http://198.51.100.20:8080/a'b$(id)\"");
    let plan = read("region-failover.yaml");
    let plan = plan.replace("title: Move the app from east to west", &format!("title: {quoted}"));
    let plan = plan.replace("text: \"the app runs in west\"", &format!("text: {quoted}"));
    let plan = plan.replace(
        "approve: { role: incident-commander, within: 10m }",
        "approve: { role: incident-commander }",
    );
    let asked = format!(
        "\n  look:\n    after: told\n    approve: {{ role: incident-commander, question: {quoted} }}\n"
    );
    let file = |path: &str, text: String| SourceFile { path: path.to_string(), text };
    of_texts(&[file("estate.yaml", estate), file("plan.yaml", plan + &asked)])
}

/// The words that a reader sees, blanks as one.
fn seen(events: impl Iterator<Item = String>) -> String {
    events.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn markdown_shows_every_text_as_it_is_and_takes_none_for_markup() {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_GFM;
    let plain = with("nothing special");
    let shape = |markdown: &str| -> Vec<String> {
        let starts = Parser::new_ext(markdown, options).filter_map(|event| match event {
            Event::Start(Tag::CodeBlock(_)) => Some("code".to_string()),
            Event::Start(Tag::Link { dest_url, .. }) => Some(format!("link {dest_url}")),
            Event::Start(tag) => Some(format!("{:?}", tag.to_end())),
            Event::Html(html) | Event::InlineHtml(html) => Some(html.to_string()),
            _ => None,
        });
        starts.collect()
    };
    let usual = shape(&page(&plain, "region-failover", Mode::Live).markdown());
    for text in HARD {
        let markdown = page(&with(text), "region-failover", Mode::Live).markdown();
        assert_eq!(shape(&markdown), usual, "{text}:\n{markdown}");
        let words = Parser::new_ext(&markdown, options).map(|event| match event {
            Event::Text(text) | Event::Code(text) => text.to_string(),
            Event::SoftBreak | Event::End(_) => " ".to_string(),
            _ => String::new(),
        });
        let seen = seen(words);
        let wanted = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // The title, the question, and name, title, phone and mail of a person.
        assert!(seen.matches(&wanted).count() >= 6, "{text} is not seen in:\n{seen}");
    }
}

#[test]
fn html_shows_every_text_as_it_is() {
    for text in HARD {
        let html = page(&with(text), "region-failover", Mode::Live).html();
        let mut words = Vec::new();
        for token in html5gum::Tokenizer::new(&html) {
            if let html5gum::Token::String(text) = token.unwrap() {
                words.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        let seen = seen(words.into_iter());
        let wanted = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(seen.matches(&wanted).count() >= 6, "{text} is not seen in:\n{seen}");
        assert!(!html.contains("<script") && !html.contains("<img"), "{text}");
    }
}
