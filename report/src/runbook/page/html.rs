//! A page as one HTML file: written by pulldown-cmark from events, which escapes every text; the frame is `frame.html`.

use super::{Block, Line, Page, Span};
use crate::layout::clean;
use pulldown_cmark::{Alignment, CodeBlockKind, CowStr, Event, HeadingLevel, LinkType, Tag, TagEnd};

/// What stands around it. It begins with the words that say who wrote the file.
const FRAME: &str = include_str!("frame.html");
const TITLE: &str = "{{title}}";
const BODY: &str = "{{body}}";

pub fn render(page: &Page) -> String {
    let mut events = Vec::new();
    heading(HeadingLevel::H1, &Line::from(page.title.as_str()), &mut events);
    blocks(&page.blocks, &mut events);
    let title = written(vec![Event::Text(clean(&page.title).into())]);
    let (before, rest) = FRAME.split_once(TITLE).unwrap_or_default();
    let (between, after) = rest.split_once(BODY).unwrap_or_default();
    [before, &title, between, &written(events), after].concat()
}

fn written(events: Vec<Event<'_>>) -> String {
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events.into_iter());
    out
}

fn blocks<'p>(blocks: &'p [Block], out: &mut Vec<Event<'p>>) {
    blocks.iter().for_each(|one| block(one, out));
}

fn block<'p>(block: &'p Block, out: &mut Vec<Event<'p>>) {
    match block {
        Block::Heading(text) => heading(HeadingLevel::H2, &Line::from(text.as_str()), out),
        Block::Text(line) => {
            out.push(Event::Start(Tag::Paragraph));
            words(line, out);
            out.push(Event::End(TagEnd::Paragraph));
        }
        Block::Box(inner) => {
            out.push(Event::Start(Tag::BlockQuote(None)));
            blocks(inner, out);
            out.push(Event::End(TagEnd::BlockQuote(None)));
        }
        Block::Points(lines) => points(lines, false, out),
        Block::Ticks(lines) => points(lines, true, out),
        Block::Table { header, rows } => table(header, rows, out),
        Block::Shell(lines) => {
            let kind = CodeBlockKind::Fenced("sh".into());
            out.push(Event::Start(Tag::CodeBlock(kind)));
            out.push(Event::Text(format!("{}\n", lines.join("\n")).into()));
            out.push(Event::End(TagEnd::CodeBlock));
        }
        Block::Steps { first, items } => {
            out.push(Event::Start(Tag::List(Some(*first as u64))));
            for (number, item) in items.iter().enumerate() {
                out.push(Event::Start(Tag::Item));
                out.push(Event::Start(level(HeadingLevel::H3)));
                tick(&format!("step {}", first + number), out);
                words(&Line::from(item.name.as_str()), out);
                out.push(Event::End(TagEnd::Heading(HeadingLevel::H3)));
                if !item.summary.is_empty() {
                    out.push(Event::Start(Tag::Paragraph));
                    words(&Line::from(item.summary.as_str()), out);
                    out.push(Event::End(TagEnd::Paragraph));
                }
                blocks(&item.blocks, out);
                out.push(Event::End(TagEnd::Item));
            }
            out.push(Event::End(TagEnd::List(true)));
        }
    }
}

fn level(level: HeadingLevel) -> Tag<'static> {
    Tag::Heading { level, id: None, classes: Vec::new(), attrs: Vec::new() }
}

fn heading(size: HeadingLevel, line: &Line, out: &mut Vec<Event<'_>>) {
    out.push(Event::Start(level(size)));
    words(line, out);
    out.push(Event::End(TagEnd::Heading(size)));
}

/// A box to tick; it needs no script. The label is ours, never a text of the estate.
fn tick(label: &str, out: &mut Vec<Event<'_>>) {
    let html = format!("<input type=\"checkbox\" aria-label=\"done: {label}\"> ");
    out.push(Event::InlineHtml(html.into()));
}

fn points(lines: &[Line], ticked: bool, out: &mut Vec<Event<'_>>) {
    out.push(Event::Start(Tag::List(None)));
    for (number, line) in lines.iter().enumerate() {
        out.push(Event::Start(Tag::Item));
        if ticked {
            tick(&format!("point {}", number + 1), out);
        }
        words(line, out);
        out.push(Event::End(TagEnd::Item));
    }
    out.push(Event::End(TagEnd::List(false)));
}

fn table(header: &[&'static str], rows: &[Vec<Line>], out: &mut Vec<Event<'_>>) {
    out.push(Event::Start(Tag::Table(vec![Alignment::None; header.len()])));
    out.push(Event::Start(Tag::TableHead));
    for title in header {
        out.push(Event::Start(Tag::TableCell));
        out.push(Event::Text(CowStr::Borrowed(title)));
        out.push(Event::End(TagEnd::TableCell));
    }
    out.push(Event::End(TagEnd::TableHead));
    for row in rows {
        out.push(Event::Start(Tag::TableRow));
        for line in row {
            out.push(Event::Start(Tag::TableCell));
            words(line, out);
            out.push(Event::End(TagEnd::TableCell));
        }
        out.push(Event::End(TagEnd::TableRow));
    }
    out.push(Event::End(TagEnd::Table));
}

fn words(line: &Line, out: &mut Vec<Event<'_>>) {
    for span in &line.0 {
        match span {
            Span::Plain(text) => out.push(Event::Text(clean(text).into())),
            Span::Code(text) => out.push(Event::Code(clean(text).trim().to_string().into())),
            Span::Strong(text) => {
                out.push(Event::Start(Tag::Strong));
                out.push(Event::Text(clean(text).into()));
                out.push(Event::End(TagEnd::Strong));
            }
            Span::Link(text, to) => {
                let (title, id) = (CowStr::Borrowed(""), CowStr::Borrowed(""));
                let dest_url = CowStr::from(to.clone());
                out.push(Event::Start(Tag::Link { link_type: LinkType::Inline, dest_url, title, id }));
                out.push(Event::Text(clean(text).into()));
                out.push(Event::End(TagEnd::Link));
            }
        }
    }
}
