//! The text in an expression of our sources: a literal, a `format!`, a constant of the same file, or what
//! a conversion or a `match` makes of them.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeMap;
use syn::{Expr, ExprLit, Lit, Member};

/// Constants of one file that hold a text.
pub type Constants = BTreeMap<String, String>;

/// The first text of an expression.
pub fn text(expr: &Expr, constants: &Constants) -> Option<String> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        Expr::Macro(call) => first(call.mac.tokens.clone()),
        Expr::MethodCall(call) => {
            text(&call.receiver, constants).or_else(|| call.args.iter().find_map(|arg| text(arg, constants)))
        }
        Expr::Call(call) => call.args.iter().find_map(|arg| text(arg, constants)),
        Expr::Reference(reference) => text(&reference.expr, constants),
        Expr::Paren(paren) => text(&paren.expr, constants),
        Expr::Block(block) => block.block.stmts.iter().rev().find_map(|statement| match statement {
            syn::Stmt::Expr(expr, None) => text(expr, constants),
            _ => None,
        }),
        Expr::Path(path) => constants.get(&path.path.segments.last()?.ident.to_string()).cloned(),
        _ => None,
    }
}

/// The first string literal of a macro's tokens.
pub fn first(tokens: TokenStream) -> Option<String> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Literal(literal) => match syn::parse_str::<Lit>(&literal.to_string()) {
            Ok(Lit::Str(text)) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Every `LB1234: message` within the string literals of a macro's tokens: what is logged or printed.
pub fn logged(tokens: TokenStream) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => found.extend(logged(group.stream())),
            TokenTree::Literal(literal) => {
                if let Ok(Lit::Str(text)) = syn::parse_str::<Lit>(&literal.to_string()) {
                    let value = text.value();
                    found.extend(value.find("LB").and_then(|at| coded(value.get(at..)?)));
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
    found
}

/// A name of a field.
pub fn member(member: &Member) -> String {
    match member {
        Member::Named(name) => name.to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

/// `LB1234`, if the text is nothing else.
pub fn code(text: &str) -> Option<String> {
    let digits = text.strip_prefix("LB")?;
    (digits.len() == 4 && digits.chars().all(|c| c.is_ascii_digit())).then(|| text.to_string())
}

/// Code and message of `LB1234: message`.
pub fn coded(text: &str) -> Option<(String, String)> {
    let (head, rest) = text.split_once(": ")?;
    Some((code(head)?, rest.to_string()))
}

/// What the doc comments of an item say, as one paragraph a comment.
pub fn documentation(attributes: &[syn::Attribute]) -> String {
    let lines =
        attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| {
            match &attribute.meta {
                syn::Meta::NameValue(value) => text(&value.value, &Constants::new()),
                _ => None,
            }
        });
    lines.map(|line| line.trim().to_string()).collect::<Vec<_>>().join(" ").trim().to_string()
}

/// The text of `#[error("…")]`.
pub fn error(attributes: &[syn::Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("error"))?;
    match &attribute.meta {
        syn::Meta::List(list) => first(list.tokens.clone()),
        _ => None,
    }
}

/// The item is compiled for tests alone.
pub fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => attribute.path().is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::NameValue(_) => false,
    })
}
