//! YAML as a tree without places: what is generated, broken, and then written in a random style.

/// Keys and, in lists, numbers from the top of a file to a node.
pub type Path = Vec<String>;

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// A single value, written plain or quoted.
    Text(String),
    /// A list.
    List(Vec<Tree>),
    /// A map; a key may stand twice, for that is one of the defects.
    Map(Vec<(String, Tree)>),
}

impl From<&str> for Tree {
    fn from(text: &str) -> Tree {
        Tree::Text(text.to_string())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Tree {
        Tree::Text(text)
    }
}

impl From<&String> for Tree {
    fn from(text: &String) -> Tree {
        Tree::Text(text.clone())
    }
}

impl From<usize> for Tree {
    fn from(number: usize) -> Tree {
        Tree::Text(number.to_string())
    }
}

impl<T: Into<Tree>> From<Vec<T>> for Tree {
    fn from(items: Vec<T>) -> Tree {
        Tree::List(items.into_iter().map(Into::into).collect())
    }
}

/// An empty map, to be filled with [`Tree::with`].
pub fn map() -> Tree {
    Tree::Map(Vec::new())
}

impl Tree {
    /// The same map with one more pair.
    pub fn with(mut self, key: &str, value: impl Into<Tree>) -> Tree {
        self.set(key, value);
        self
    }

    /// The same map with one more pair, where there is a value.
    pub fn with_some(self, key: &str, value: Option<impl Into<Tree>>) -> Tree {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Sets the value of a key.
    pub fn set(&mut self, key: &str, value: impl Into<Tree>) {
        let value = value.into();
        match self.get_mut(key) {
            Some(slot) => *slot = value,
            None => self.pairs_mut().push((key.to_string(), value)),
        }
    }

    /// Takes a pair out.
    pub fn remove(&mut self, key: &str) -> Option<Tree> {
        let at = self.pairs().iter().position(|(own, _)| own == key)?;
        Some(self.pairs_mut().remove(at).1)
    }

    /// The value of a key of a map, or of a number of a list.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        match self {
            Tree::Map(pairs) => pairs.iter().find(|(own, _)| own == key).map(|(_, value)| value),
            Tree::List(items) => items.get(key.parse::<usize>().ok()?),
            Tree::Text(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Tree> {
        match self {
            Tree::Map(pairs) => pairs.iter_mut().find(|(own, _)| own == key).map(|(_, value)| value),
            Tree::List(items) => items.get_mut(key.parse::<usize>().ok()?),
            Tree::Text(_) => None,
        }
    }

    /// The node at a path.
    pub fn at(&self, path: &[String]) -> Option<&Tree> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The same, to be changed.
    pub fn at_mut(&mut self, path: &[String]) -> Option<&mut Tree> {
        path.iter().try_fold(self, |node, key| node.get_mut(key))
    }

    /// The pairs of a map; none for anything else.
    pub fn pairs(&self) -> &[(String, Tree)] {
        match self {
            Tree::Map(pairs) => pairs,
            Tree::Text(_) | Tree::List(_) => &[],
        }
    }

    /// The pairs of a map, to be changed. What is no map becomes one.
    pub fn pairs_mut(&mut self) -> &mut Vec<(String, Tree)> {
        if !matches!(self, Tree::Map(_)) {
            *self = map();
        }
        match self {
            Tree::Map(pairs) => pairs,
            Tree::Text(_) | Tree::List(_) => unreachable!("it was made a map above"),
        }
    }

    /// The text of a single value.
    pub fn text(&self) -> Option<&str> {
        match self {
            Tree::Text(text) => Some(text),
            Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// The text of a key's value.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The texts of a list, or the one text that stands for a list of one.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Tree::Text(text) => vec![text.clone()],
            Tree::List(items) => items.iter().filter_map(Tree::text).map(str::to_string).collect(),
            Tree::Map(_) => Vec::new(),
        }
    }

    /// Every node below this one with its path.
    pub fn walk<'t>(&'t self, from: &Path, visit: &mut impl FnMut(&Path, &'t Tree)) {
        visit(from, self);
        let children: Vec<(String, &Tree)> = match self {
            Tree::Text(_) => Vec::new(),
            Tree::List(items) => items.iter().enumerate().map(|(at, one)| (at.to_string(), one)).collect(),
            Tree::Map(pairs) => pairs.iter().map(|(key, value)| (key.clone(), value)).collect(),
        };
        for (key, child) in children {
            let mut path = from.clone();
            path.push(key);
            child.walk(&path, visit);
        }
    }
}
