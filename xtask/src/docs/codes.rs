//! Every code of the sources with what they say about it.
//!
//! A code is written in one of these ways, and each is understood:
//! - `#[error("LB1234: message")]` on a variant or struct, its documentation above it, its advice in a
//!   `match` of a function called `advice`;
//! - a function `code` that matches variants, whose messages stand in `#[error("message")]`;
//! - an arm `Variant => ("LB1234", "advice")`;
//! - a call with the code among its arguments: what follows it is message, then advice;
//! - a struct with a field `code`: see [`FIELDS`].
//!
//! A code that is written in another way is still found, and then says too little: `tidy` tells.

use super::texts::{self, Constants, code, coded, text};
use crate::checkout::TextFile;
use std::collections::{BTreeMap, BTreeSet};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, Item, Pat, Token};

/// What the sources say about one code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Messages, as the source has them: `{name}` stands for what is filled in.
    pub messages: BTreeSet<String>,
    /// What the variant's documentation says.
    pub meanings: BTreeSet<String>,
    /// Why it matters.
    pub whys: BTreeSet<String>,
    /// What to do.
    pub advices: BTreeSet<String>,
    /// Files that have it.
    pub places: BTreeSet<String>,
}

/// A part of what is found.
type Part = fn(&mut Found) -> &mut BTreeSet<String>;

/// Fields of a struct with a code, and where their texts belong.
const FIELDS: [(&str, Part); 7] = [
    ("title", |found| &mut found.meanings),
    ("message", |found| &mut found.messages),
    ("what", |found| &mut found.messages),
    ("why", |found| &mut found.whys),
    ("mend", |found| &mut found.advices),
    ("advice", |found| &mut found.advices),
    ("help", |found| &mut found.advices),
];

/// Every code of the program's sources; those of tests are nobody's.
pub fn all(rust: &[TextFile]) -> BTreeMap<String, Found> {
    let parsed: Vec<(&TextFile, syn::File)> = rust
        .iter()
        .filter(|file| !is_test_path(&file.path))
        .filter_map(|file| Some((file, syn::parse_file(&file.text).ok()?)))
        .collect();
    let tests: BTreeSet<String> =
        parsed.iter().flat_map(|(file, tree)| test_modules(&file.path, tree)).collect();
    let mut codes = BTreeMap::new();
    for (file, tree) in &parsed {
        let tested = tests.iter().any(|module| {
            file.path == format!("{module}.rs") || file.path.starts_with(&format!("{module}/"))
        });
        if !tested {
            read(file, tree, &mut codes);
        }
    }
    codes
}

fn is_test_path(path: &str) -> bool {
    path.starts_with("tests/")
        || path.starts_with("xtask/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
}

/// Paths, without their ending, of modules that are compiled for tests alone.
fn test_modules(path: &str, tree: &syn::File) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => stem,
    };
    let modules = tree.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && texts::is_test(&module.attrs) => {
            Some(format!("{folder}/{}", module.ident))
        }
        _ => None,
    });
    modules.collect()
}

fn read(file: &TextFile, tree: &syn::File, codes: &mut BTreeMap<String, Found>) {
    let mut reader = Reader {
        path: &file.path,
        codes,
        constants: Constants::new(),
        variants: BTreeMap::new(),
        function: String::new(),
    };
    for item in &tree.items {
        if let Item::Const(item) = item
            && let Some(value) = text(&item.expr, &Constants::new())
        {
            reader.constants.insert(item.ident.to_string(), value);
        }
    }
    reader.visit_file(tree);
    reader.finish();
}

/// What one file says about a variant.
#[derive(Default)]
struct Variant {
    codes: BTreeSet<String>,
    message: Option<String>,
    meaning: String,
    advices: BTreeSet<String>,
}

struct Reader<'a> {
    path: &'a str,
    codes: &'a mut BTreeMap<String, Found>,
    constants: Constants,
    variants: BTreeMap<String, Variant>,
    function: String,
}

impl Reader<'_> {
    fn found(&mut self, code: &str) -> &mut Found {
        let found = self.codes.entry(code.to_string()).or_default();
        found.places.insert(self.path.to_string());
        found
    }

    /// Puts together what variants, codes and advices say in different places of the file.
    fn finish(mut self) {
        for (_, variant) in std::mem::take(&mut self.variants) {
            for code in &variant.codes {
                let found = self.found(code);
                found.messages.extend(variant.message.clone());
                found.advices.extend(variant.advices.iter().cloned());
                if !variant.meaning.is_empty() {
                    found.meanings.insert(variant.meaning.clone());
                }
            }
        }
    }

    fn declared(&mut self, name: String, attributes: &[syn::Attribute]) {
        let Some(error) = texts::error(attributes) else { return };
        let variant = self.variants.entry(name).or_default();
        variant.meaning = texts::documentation(attributes);
        variant.message = match coded(&error) {
            Some((code, message)) => {
                variant.codes.insert(code);
                Some(message)
            }
            None => Some(error),
        };
    }

    /// `Variant => "LB1234"`, `Variant => "advice"` in `advice`, `Variant => ("LB1234", "advice")`.
    fn arm(&mut self, arm: &syn::Arm) {
        let mut names = Vec::new();
        variants_of(&arm.pat, &mut names);
        let (linked, advice) = match peeled(&arm.body) {
            Expr::Tuple(tuple) => {
                let mut parts = tuple.elems.iter().map(|part| text(part, &self.constants));
                (parts.next().flatten().as_deref().and_then(code), parts.next().flatten())
            }
            body => match text(body, &self.constants) {
                Some(text) if code(&text).is_some() => (code(&text), None),
                Some(text) if self.function.contains("advice") => (None, Some(text)),
                _ => (None, None),
            },
        };
        for name in names.iter().filter(|_| linked.is_some() || advice.is_some()) {
            let variant = self.variants.entry(name.clone()).or_default();
            variant.codes.extend(linked.clone());
            variant.advices.extend(advice.clone());
        }
        if let (true, Some(code)) = (names.is_empty(), linked) {
            self.found(&code).advices.extend(advice);
        }
    }

    /// The code among the arguments, then message, then advice.
    fn call(&mut self, arguments: &Punctuated<Expr, Token![,]>) {
        let texts: Vec<Option<String>> =
            arguments.iter().map(|argument| text(peeled(argument), &self.constants)).collect();
        let at = arguments.iter().position(|argument| {
            matches!(argument, Expr::Lit(_))
                && text(argument, &self.constants).as_deref().and_then(code).is_some()
        });
        let Some((at, code)) = at.and_then(|at| Some((at, texts.get(at)?.clone()?))) else { return };
        let found = self.found(&code);
        found.messages.extend(texts.get(at + 1).cloned().flatten());
        found.advices.extend(texts.get(at + 2).cloned().flatten());
    }
}

/// What stands in blocks and parentheses around it.
fn peeled(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(paren) => peeled(&paren.expr),
        Expr::Block(block) => match block.block.stmts.as_slice() {
            [syn::Stmt::Expr(inner, None)] => peeled(inner),
            _ => expr,
        },
        _ => expr,
    }
}

fn variants_of(pattern: &Pat, names: &mut Vec<String>) {
    let path = match pattern {
        Pat::Or(or) => return or.cases.iter().for_each(|case| variants_of(case, names)),
        Pat::Paren(paren) => return variants_of(&paren.pat, names),
        Pat::Struct(pattern) => Some(&pattern.path),
        // `Outer(Inner { .. })` is about the inner one.
        Pat::TupleStruct(pattern) => {
            let before = names.len();
            pattern.elems.iter().for_each(|inner| variants_of(inner, names));
            Some(&pattern.path).filter(|_| names.len() == before)
        }
        Pat::Path(pattern) => Some(&pattern.path),
        _ => None,
    };
    names.extend(path.and_then(|path| Some(path.segments.last()?.ident.to_string())));
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !texts::is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !texts::is_test(&item.attrs) {
            let outer = std::mem::replace(&mut self.function, item.sig.ident.to_string());
            visit::visit_item_fn(self, item);
            self.function = outer;
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let outer = std::mem::replace(&mut self.function, item.sig.ident.to_string());
        visit::visit_impl_item_fn(self, item);
        self.function = outer;
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        for variant in &item.variants {
            self.declared(variant.ident.to_string(), &variant.attrs);
        }
        visit::visit_item_enum(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.declared(item.ident.to_string(), &item.attrs);
        visit::visit_item_struct(self, item);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.arm(arm);
        visit::visit_arm(self, arm);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        self.call(&call.args);
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.call(&call.args);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_struct(&mut self, item: &'ast syn::ExprStruct) {
        let field = |name: &str| {
            let field = item.fields.iter().find(|field| texts::member(&field.member) == name)?;
            text(&field.expr, &self.constants)
        };
        if let Some(code) = field("code").as_deref().and_then(code) {
            let texts: Vec<_> = FIELDS.iter().map(|(name, part)| (field(name), part)).collect();
            let found = self.found(&code);
            for (text, part) in texts {
                part(found).extend(text);
            }
        }
        visit::visit_expr_struct(self, item);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Ok(arguments) = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            for argument in &arguments {
                self.visit_expr(argument);
            }
        }
        for (code, message) in texts::logged(call.tokens.clone()) {
            self.found(&code).messages.insert(message);
        }
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        let value = literal.value();
        if let Some((code, message)) = coded(&value) {
            self.found(&code).messages.insert(message);
        } else if let Some(code) = code(&value) {
            self.found(&code);
        }
    }
}
