//! What a check found as workflow commands of GitHub Actions: a line for each, which becomes a note at
//! the line of the change that it is about.
//!
//! The format: <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>; what
//! has a meaning in it is escaped as the runner itself undoes it (`actions/toolkit`, `command.ts`).

use plan::codes;
use plan::diagnostic::Diagnostic;

/// A line for each finding, without the last line break.
pub fn github(found: &[Diagnostic]) -> String {
    found.iter().map(command).collect::<Vec<_>>().join("\n")
}

fn command(one: &Diagnostic) -> String {
    let known = codes::ALL.iter().find(|code| code.code == one.code);
    let title = known.map_or_else(|| one.code.clone(), |code| format!("{} {}", code.code, code.title));
    let message = match one.help.is_empty() {
        true => one.message.clone(),
        false => format!("{}\nhelp: {}", one.message, one.help),
    };
    format!(
        "::{} file={},line={},col={},endColumn={},title={}::{}",
        one.severity.as_str(),
        property(&one.path),
        one.line,
        one.column,
        one.end_column,
        property(&title),
        data(&message)
    )
}

/// A text after the last `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text between commas.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::Severity;

    fn found(path: &str, message: &str, help: &str) -> Diagnostic {
        Diagnostic {
            code: "LB0201".into(),
            severity: Severity::Error,
            path: path.into(),
            line: 12,
            column: 15,
            end_column: 18,
            excerpt: String::new(),
            message: message.into(),
            why: String::new(),
            help: help.into(),
        }
    }

    #[test]
    fn a_finding_is_one_line_with_its_place_and_its_code() {
        let line =
            github(&[found("estate/hosts.yaml", "no host \"dbx\" is declared", "did you mean \"db-1\"?")]);
        let title = codes::UNKNOWN.title;
        assert_eq!(
            line,
            format!(
                "::error file=estate/hosts.yaml,line=12,col=15,endColumn=18,title=LB0201 {title}::no host \"dbx\" is declared%0Ahelp: did you mean \"db-1\"?"
            )
        );
    }

    #[test]
    fn a_warning_says_so_and_each_finding_has_its_line() {
        let mut warning = found("a.yaml", "m", "");
        warning.severity = Severity::Warning;
        let lines = github(&[found("a.yaml", "m", ""), warning]);
        assert_eq!(lines.lines().count(), 2);
        assert!(lines.lines().nth(1).is_some_and(|line| line.starts_with("::warning file=a.yaml,")));
        assert_eq!(github(&[]), "");
    }

    #[test]
    fn marks_of_the_format_are_escaped_in_paths_and_messages() {
        let line = github(&[found("a%b:c,d\r\n.yaml", "100 %: a,\r\n::b", "")]);
        assert!(line.starts_with("::error file=a%25b%3Ac%2Cd%0D%0A.yaml,line=12,"), "{line}");
        // In the message only what could end the line is escaped, and the escape itself.
        assert!(line.ends_with("::100 %25: a,%0D%0A::b"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
