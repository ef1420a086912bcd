//! Commands are pasted into a shell: it must take them as they were meant.

use super::{everything, example, page};
use model::Mode;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::process::{Command, Stdio};

/// Every block of commands, as a code host shows it.
fn blocks(markdown: &str) -> Vec<String> {
    let (mut out, mut open): (Vec<String>, bool) = (Vec::new(), false);
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) => {
                assert_eq!(&*kind, "sh");
                out.push(String::new());
                open = true;
            }
            Event::End(TagEnd::CodeBlock) => open = false,
            Event::Text(text) if open => out.last_mut().unwrap().push_str(&text),
            _ => {}
        }
    }
    out
}

fn all() -> Vec<String> {
    let (example, everything) = (example(), everything());
    let pages = [
        page(&example, "region-failover", Mode::Live),
        page(&example, "region-return", Mode::Live),
        page(&everything, "everything", Mode::Live),
        page(&everything, "called-off", Mode::Live),
        page(&everything, "move", Mode::Live),
    ];
    pages.iter().flat_map(|page| blocks(&page.markdown())).collect()
}

/// Blocks that hold a program, run with programs of the same names that only print what they got.
fn printed(block: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let stub = "#!/bin/sh\nprintf '%s\\n' \"$(basename \"$0\")\" \"$@\"\n";
    for program in ["psql", "curl", "systemctl", "restic", "docker", "pkill", "pgrep", "setsid", "terraform"]
    {
        let path = folder.path().join(program);
        std::fs::write(&path, stub).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
    }
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let output =
        Command::new("bash").args(["-c", block]).env("PATH", path).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_reads_every_block() {
    let all = all();
    assert!(all.len() > 30, "{}", all.len());
    for block in &all {
        let output = Command::new("bash").args(["-n", "-c", block]).output().unwrap();
        assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn words_of_the_estate_arrive_whole() {
    let find = |part: &str| all().into_iter().find(|block| block.contains(part)).unwrap();
    let said = printed(&find("alter database tutor reset").replace("/usr/lib/postgresql/15/bin/", ""));
    assert!(said.contains("\n-c\nalter database tutor reset default_transaction_read_only\n"), "{said}");
    let posted = printed(&find("broken;").replace("cat /etc/lifeboat/hook", "echo t"));
    let body = posted.lines().skip_while(|line| *line != "--data").nth(1).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["body"], "It's broken; we \"look\" at it.");
    assert!(!posted.contains("Bearer"), "the token must not stand among the arguments: {posted}");
}

#[test]
fn nsupdate_reads_the_cut_over() {
    if Command::new("nsupdate").arg("-V").output().is_err() {
        eprintln!("nsupdate is not installed");
        return;
    }
    let block = all().into_iter().find(|block| block.contains("nsupdate")).unwrap();
    // Nobody is asked: what would be sent is shown instead, and no key is read.
    let script = block.split("| nsupdate").next().unwrap().replace(" send ", " show ");
    let output = Command::new("bash").args(["-c", &format!("{script} | nsupdate")]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{script}\n{out}{err}");
    assert!(out.contains("app.app.example.") && out.contains("198.51.100.20"), "{out}");
}
