//! Errors that an operator reads: a stable code, a cause, and what to do next.

use model::Problem;
use std::error::Error;

/// An error whose text begins with its stable code (`LB5101: cannot read …`) and that knows advice.
pub trait Explained: Error + Sized + 'static {
    /// What the operator can do next, in one sentence.
    fn advice(&self) -> &'static str;

    /// The stable code, `LB5101`; empty when the text has none.
    fn code(&self) -> String {
        split(&self.to_string()).0
    }

    /// The same as it crosses the wire and stands in journals.
    fn problem(&self) -> Problem {
        let (code, message) = split(&self.to_string());
        let problem = Problem::new(&code, message, self.advice());
        match self.source() {
            Some(cause) => problem.caused_by(cause),
            None => problem,
        }
    }

    /// The whole chain and the advice, for stderr.
    fn explain(&self) -> String {
        let problem = self.problem();
        format!("{problem}\n  advice: {}", problem.advice)
    }
}

fn split(text: &str) -> (String, String) {
    match text.split_once(": ") {
        Some((code, rest)) if code.len() == 6 && code.starts_with("LB") => (code.into(), rest.into()),
        _ => (String::new(), text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("LB5999: the kettle is cold")]
    struct Cold(#[source] std::fmt::Error);
    impl Explained for Cold {
        fn advice(&self) -> &'static str {
            "heat it"
        }
    }

    #[test]
    fn an_error_becomes_a_problem_with_its_code_once() {
        let problem = Cold(std::fmt::Error).problem();
        assert_eq!((problem.code.as_str(), problem.message.as_str()), ("LB5999", "the kettle is cold"));
        assert_eq!(problem.causes.len(), 1);
        assert_eq!(problem.to_string().matches("LB5999").count(), 1);
    }
}
