//! The nodes of the tree in one allocation, found by (parent, name). Knows nothing of layers' meaning.

use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::ApplyError;

/// Most bytes of names and link targets; ordinary images have one or two million.
const MAX_NAME_BYTES: usize = 64 << 20;
pub(super) const NONE: u32 = u32::MAX;
pub(super) const ROOT: u32 = 0;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Free,
    Directory,
    File,
    IndirectFile,
    Symlink,
    Special,
}

pub(super) struct Node {
    pub(super) parent: u32,
    pub(super) name_start: u32,
    pub(super) name_len: u16,
    /// The layer that last touched this path or something below it.
    pub(super) touched: u16,
    pub(super) content_layer: u16,
    pub(super) kind: Kind,
    /// File: ordinal. Symlink: start of the target in `names`.
    pub(super) payload: u32,
    /// Directory: first child. Symlink: length of the target.
    pub(super) first_child: u32,
    pub(super) next: u32,
    pub(super) previous: u32,
}

/// All nodes, used and free.
pub(super) struct Arena {
    nodes: Vec<Node>,
    names: Vec<u8>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    free: u32,
    max_nodes: usize,
}

impl std::ops::Index<u32> for Arena {
    type Output = Node;

    fn index(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }
}

impl std::ops::IndexMut<u32> for Arena {
    fn index_mut(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[id as usize]
    }
}

impl Arena {
    /// Only the root directory.
    pub(super) fn new(max_nodes: usize) -> Self {
        let root = Node {
            parent: ROOT,
            name_start: 0,
            name_len: 0,
            touched: 0,
            content_layer: 0,
            kind: Kind::Directory,
            payload: 0,
            first_child: NONE,
            next: NONE,
            previous: NONE,
        };
        Self {
            nodes: vec![root],
            names: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            free: NONE,
            max_nodes: max_nodes.min(NONE as usize - 1),
        }
    }

    /// Adds a node; its parent must be a directory that has no child of that name.
    pub(super) fn insert(&mut self, parent: u32, name: &[u8], kind: Kind) -> Result<u32, ApplyError> {
        if self.names.len() + name.len() > MAX_NAME_BYTES {
            return Err(ApplyError::Full);
        }
        let name_start = self.names.len() as u32;
        let name_len = u16::try_from(name.len()).map_err(|_| ApplyError::Full)?;
        if self.nodes.len() >= self.max_nodes && self.free == NONE {
            return Err(ApplyError::Full);
        }
        self.names.extend_from_slice(name);
        let first = self.nodes[parent as usize].first_child;
        let node = Node {
            parent,
            name_start,
            name_len,
            touched: 0,
            content_layer: 0,
            kind,
            payload: 0,
            first_child: if kind == Kind::Directory { NONE } else { 0 },
            next: first,
            previous: NONE,
        };
        let id = if self.free == NONE {
            self.nodes.push(node);
            (self.nodes.len() - 1) as u32
        } else {
            let id = self.free;
            self.free = self.nodes[id as usize].next;
            self.nodes[id as usize] = node;
            id
        };
        if first != NONE {
            self.nodes[first as usize].previous = id;
        }
        self.nodes[parent as usize].first_child = id;
        let hash = self.hash(parent, name);
        let (nodes, names, hasher) = (&self.nodes, &self.names, &self.hasher);
        self.table.insert_unique(hash, id, |&other| {
            let node = &nodes[other as usize];
            hash_of(hasher, node.parent, slice(names, node.name_start, node.name_len.into()))
        });
        Ok(id)
    }

    /// Takes a node and everything below it out, and returns their ids to `gone`.
    pub(super) fn remove(&mut self, node: u32, mut gone: impl FnMut(u32)) {
        let (previous, next, parent) = {
            let found = &self.nodes[node as usize];
            (found.previous, found.next, found.parent)
        };
        if previous == NONE {
            self.nodes[parent as usize].first_child = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        let mut stack = vec![node];
        while let Some(id) = stack.pop() {
            if self.nodes[id as usize].kind == Kind::Directory {
                let mut child = self.nodes[id as usize].first_child;
                while child != NONE {
                    stack.push(child);
                    child = self.nodes[child as usize].next;
                }
            }
            let hash = self.hash(self.nodes[id as usize].parent, self.name(&self.nodes[id as usize]));
            if let Ok(entry) = self.table.find_entry(hash, |&other| other == id) {
                entry.remove();
            }
            gone(id);
            self.nodes[id as usize].kind = Kind::Free;
            self.nodes[id as usize].next = self.free;
            self.free = id;
        }
    }

    /// Writes down where a link leads.
    pub(super) fn set_target(&mut self, node: u32, target: &[u8]) -> Result<(), ApplyError> {
        if self.names.len() + target.len() > MAX_NAME_BYTES {
            return Err(ApplyError::Full);
        }
        let start = self.names.len() as u32;
        self.names.extend_from_slice(target);
        self.nodes[node as usize].payload = start;
        self.nodes[node as usize].first_child = u32::try_from(target.len()).map_err(|_| ApplyError::Full)?;
        Ok(())
    }

    /// The child of that name, when `parent` is a directory that has it.
    pub(super) fn child(&self, parent: u32, name: &[u8]) -> Option<u32> {
        if self.nodes[parent as usize].kind != Kind::Directory {
            return None;
        }
        let hash = self.hash(parent, name);
        self.table
            .find(hash, |&id| {
                let node = &self.nodes[id as usize];
                node.parent == parent && self.name(node) == name
            })
            .copied()
    }

    /// Its name, without directories.
    pub(super) fn name(&self, node: &Node) -> &[u8] {
        slice(&self.names, node.name_start, node.name_len.into())
    }

    /// Where a link leads, as written.
    pub(super) fn target(&self, node: &Node) -> &[u8] {
        slice(&self.names, node.payload, node.first_child as usize)
    }

    fn hash(&self, parent: u32, name: &[u8]) -> u64 {
        hash_of(&self.hasher, parent, name)
    }
}

fn slice(names: &[u8], start: u32, len: usize) -> &[u8] {
    names.get(start as usize..).and_then(|rest| rest.get(..len)).unwrap_or(&[])
}

fn hash_of(hasher: &DefaultHashBuilder, parent: u32, name: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u32(parent);
    state.write(name);
    state.finish()
}
