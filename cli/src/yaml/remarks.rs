//! Which comment belongs to what.
//!
//! The tree is walked in the order of the text, with the comments in hand, so their order never changes:
//! - behind a value, with nothing but a comma between: to its right;
//! - behind a key or a dash: at the head of what follows;
//! - in lines of its own: above the entry that follows. But when that entry stands further left, so that
//!   blocks end in between, the comment goes to the end of the deepest of them that begins no further
//!   right than the comment does. That is how people read it.

use super::tree::{Comment, Kind, Layout, Node, Part};

/// A comment with its place, in characters of the whole text.
#[derive(Debug)]
pub struct Remark {
    /// Where its `#` stands.
    pub start: usize,
    /// Column of its `#`, from 0.
    pub column: usize,
    /// Whether it has its line for itself.
    pub own: bool,
    /// Its text with the `#`.
    pub text: String,
}

/// Gives every comment its place in the tree, and every entry its empty line.
/// The text of the root may begin at `from`.
pub fn attach(root: &mut Node, from: usize, source: &[char], remarks: Vec<Remark>) {
    let mut walk = Walk { source, remarks, next: 0 };
    walk.collection(root, from);
    let rest = walk.before(source.len() + 1);
    let left = walk.settle(root, rest, None);
    root.tail.extend(left);
}

struct Walk<'s> {
    source: &'s [char],
    remarks: Vec<Remark>,
    next: usize,
}

impl Walk<'_> {
    /// Walks a collection whose text may begin at `from`, and gives where it ends.
    fn collection(&mut self, node: &mut Node, from: usize) -> usize {
        let block = node.is_block();
        let list = matches!(node.kind, Kind::List(..));
        let (start, end) = (node.start, node.end);
        let mut from = from.max(if block { 0 } else { start + 1 });
        let mut column = None;
        let count = node.parts().len();
        for index in 0..count {
            let begin = self.begin(node.parts().get(index), list && block, from);
            let found = self.before(begin);
            // In brackets columns say nothing, and one line may have thousands of items.
            let place = if block { self.column(begin) } else { 0 };
            column.get_or_insert(place);
            let (done, rest) = node.parts_mut().split_at_mut(index);
            let Some(part) = rest.first_mut() else { continue };
            part.above = match done.last_mut() {
                Some(last) if block => self.settle_in(last, found, Some(place), place),
                _ => found.into_iter().map(|at| self.comment(at)).collect(),
            };
            part.blank = self.blank_above(begin);
            from = self.part(part, begin, list && block);
        }
        if block {
            node.column = column.unwrap_or(node.column);
            return from;
        }
        let found = self.before(end.saturating_sub(1).max(from));
        node.tail = found.into_iter().map(|at| self.comment(at)).collect();
        end.max(from)
    }

    /// Walks an entry, and gives where its text ends.
    fn part(&mut self, part: &mut Part, begin: usize, dashed: bool) -> usize {
        let after = match &part.key {
            Some(key) => self.after_colon(key.end),
            None if dashed => begin + 1,
            None => begin,
        };
        let end = match &part.value.kind {
            Kind::Nothing => after,
            Kind::Lines(_) | Kind::Scalar(_) | Kind::Alias(_) => {
                part.head = self.before(part.value.start).into_iter().map(|at| self.comment(at)).collect();
                part.value.end
            }
            Kind::List(_, Layout::Flow) | Kind::Map(_, Layout::Flow) => {
                part.head = self.before(part.value.start).into_iter().map(|at| self.comment(at)).collect();
                self.collection(&mut part.value, after)
            }
            Kind::List(..) | Kind::Map(..) => {
                part.head = self.on_line(after, part.value.start);
                return self.collection(&mut part.value, after);
            }
        };
        if !matches!(part.value.kind, Kind::Lines(_)) {
            part.right = self.right(end);
        }
        end
    }

    /// Where an entry begins: its dash, or its key.
    fn begin(&self, part: Option<&Part>, dashed: bool, from: usize) -> usize {
        let Some(part) = part else { return from };
        if dashed {
            return self.skip(from);
        }
        part.key.as_ref().map_or(part.value.start, |key| key.start)
    }

    /// The next place that is neither blank, nor comment, nor anchor or tag of the collection itself.
    fn skip(&self, from: usize) -> usize {
        let mut at = from;
        loop {
            match self.source.get(at) {
                Some(c) if c.is_whitespace() => at += 1,
                Some('#') => at = self.line_end(at),
                Some('&' | '!') => {
                    let word = self.source[at..].iter().position(|c| c.is_whitespace());
                    at = word.map_or(self.source.len(), |length| at + length);
                }
                _ => return at,
            }
        }
    }

    fn after_colon(&self, from: usize) -> usize {
        let mut at = from;
        while let Some(c) = self.source.get(at) {
            match c {
                ':' => return at + 1,
                '#' => at = self.line_end(at),
                c if c.is_whitespace() => at += 1,
                _ => break,
            }
        }
        from
    }

    fn line_end(&self, from: usize) -> usize {
        self.source[from..].iter().position(|c| *c == '\n').map_or(self.source.len(), |length| from + length)
    }

    /// Column of a place, from 0.
    fn column(&self, at: usize) -> usize {
        let at = at.min(self.source.len());
        at - self.source[..at].iter().rposition(|c| *c == '\n').map_or(0, |before| before + 1)
    }

    /// The comments that come before a place and have none yet.
    fn before(&mut self, place: usize) -> Vec<usize> {
        let first = self.next;
        while self.remarks.get(self.next).is_some_and(|remark| remark.start < place) {
            self.next += 1;
        }
        (first..self.next).collect()
    }

    /// The comment at the end of a value that ends here.
    fn right(&mut self, end: usize) -> Option<Comment> {
        let start = self.remarks.get(self.next)?.start;
        let between = self.source.get(end..start)?;
        if !between.iter().all(|c| matches!(c, ' ' | '\t' | ',')) {
            return None;
        }
        self.next += 1;
        Some(self.comment(self.next - 1))
    }

    /// The comment in the same line, behind a key or a dash and before the value.
    fn on_line(&mut self, after: usize, value: usize) -> Vec<Comment> {
        let end = self.line_end(after.min(self.source.len())).min(value);
        match self.remarks.get(self.next) {
            Some(remark) if !remark.own && remark.start < end => {
                self.next += 1;
                vec![self.comment(self.next - 1)]
            }
            _ => Vec::new(),
        }
    }

    fn comment(&self, index: usize) -> Comment {
        let remark = &self.remarks[index];
        Comment { text: remark.text.clone(), blank: remark.own && self.blank_above(remark.start) }
    }

    /// Whether the line above the one that begins here is empty.
    fn blank_above(&self, at: usize) -> bool {
        let at = at.min(self.source.len());
        let before = self.source[..at].iter().rev();
        let mut breaks = 0;
        for c in before {
            match c {
                '\n' => breaks += 1,
                c if c.is_whitespace() => {}
                _ => break,
            }
        }
        breaks > 1
    }

    /// Gives comments to what ends before them; what belongs to what follows comes back. `next` is the
    /// column of what follows.
    fn settle(&self, node: &mut Node, found: Vec<usize>, next: Option<usize>) -> Vec<Comment> {
        if !node.is_block() {
            return found.into_iter().map(|at| self.comment(at)).collect();
        }
        let column = node.column;
        match node.parts_mut().last_mut() {
            Some(last) => self.settle_in(last, found, next, column),
            None => found.into_iter().map(|at| self.comment(at)).collect(),
        }
    }

    /// The same for an entry at a column.
    fn settle_in(
        &self,
        last: &mut Part,
        found: Vec<usize>,
        next: Option<usize>,
        column: usize,
    ) -> Vec<Comment> {
        let mut depth = usize::MAX;
        let mut left = Vec::new();
        for index in found {
            let remark = &self.remarks[index];
            let inside = next.is_none_or(|next| remark.column > next);
            let wanted = if inside { deepest(last, remark.column, column) } else { 0 };
            // A comment never goes before one that stands above it.
            depth = depth.min(wanted);
            let comment = self.comment(index);
            match depth {
                0 => left.push(comment),
                _ => give(last, depth, comment),
            }
        }
        left
    }
}

/// How many blocks deep below this entry a comment at a column belongs; 0 when to none of them.
fn deepest(last: &Part, comment: usize, column: usize) -> usize {
    if comment <= column {
        return 0;
    }
    if matches!(last.value.kind, Kind::Nothing) {
        return 1;
    }
    if !last.value.is_block() || last.value.column > comment {
        return 0;
    }
    match last.value.parts().last() {
        Some(part) => 1 + deepest(part, comment, last.value.column),
        None => 1,
    }
}

/// Puts a comment at the end of the block so deep.
fn give(last: &mut Part, depth: usize, comment: Comment) {
    if matches!(last.value.kind, Kind::Nothing) {
        last.inner.push(comment);
        return;
    }
    match (depth, last.value.parts_mut().last_mut()) {
        (2.., Some(part)) => give(part, depth - 1, comment),
        _ => last.value.tail.push(comment),
    }
}
