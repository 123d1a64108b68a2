//! The file system that a stack of layers makes, as names only: applied layer by layer with the semantics
//! of the OCI image specification (layer.md, "Applying Changesets"), the way container runtimes unpack.
//!
//! Parents are resolved through symbolic links inside the root, whiteouts remove only what lower layers
//! brought, and anything but a directory over a directory replaces what was there. The tree holds about
//! 50 bytes a path and never touches content; it knows a file only as (layer, ordinal).

use std::hash::{BuildHasher as _, Hasher as _};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::index::{IndexEntry, IndexKind};

/// Where the content of a file is: a layer, and the ordinal of the entry in its archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId {
    /// Layer index, 0 = lowest.
    pub layer: u16,
    /// Ordinal of the entry in the layer's index.
    pub ordinal: u32,
}

/// A node of the tree, valid until the next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind<'a> {
    /// A directory.
    Directory,
    /// A file. `direct` is false when it came by a hard link or lies elsewhere than its archive says, so
    /// that nobody has yet asked whether its path is of interest.
    File {
        /// Where its content is.
        content: ContentId,
        /// See above.
        direct: bool,
    },
    /// A symbolic link with its target as written.
    Symlink(&'a [u8]),
    /// A device, FIFO or socket.
    Special,
}

/// Why an entry could not be applied. The entry is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// More links than the limit on the way.
    #[error("too many symbolic links on the way")]
    Loop,
    /// A hard link to nothing, to a directory or to itself.
    #[error("hard link to nothing that can be linked")]
    LinkTarget,
    /// A whiteout without a usable name.
    #[error("whiteout without a name")]
    Whiteout,
    /// The tree is full.
    #[error("more paths than the limit")]
    Full,
}

/// Most bytes of names and link targets; ordinary images have one or two million.
const MAX_NAME_BYTES: usize = 64 << 20;
const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Free,
    Directory,
    File,
    IndirectFile,
    Symlink,
    Special,
}

struct Node {
    parent: u32,
    name_start: u32,
    name_len: u16,
    /// The layer that last touched this path or something below it.
    touched: u16,
    content_layer: u16,
    kind: Kind,
    /// File: ordinal. Symlink: start of the target in `names`.
    payload: u32,
    /// Directory: first child. Symlink: length of the target.
    first_child: u32,
    next: u32,
    previous: u32,
}

/// The merged names of an image.
pub struct Tree {
    nodes: Vec<Node>,
    names: Vec<u8>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    free: u32,
    max_nodes: usize,
    max_hops: usize,
    /// Earlier contents of files that a higher layer overwrote in place, lowest first.
    history: HashMap<u32, Vec<ContentId>>,
    /// Scratch of `resolve`: what is still to be walked, last first.
    pending: Vec<Vec<u8>>,
    /// Scratch of `resolve`: the names that do not exist yet, below the node that does.
    missing: Vec<Vec<u8>>,
    /// The last parent directory, to spare walking it again for its next entry.
    last_parent: (Vec<u8>, u32),
}

impl Tree {
    /// An empty root. `max_nodes` bounds memory, `max_hops` the links followed to resolve one path.
    pub fn new(max_nodes: usize, max_hops: usize) -> Self {
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
            max_hops,
            history: HashMap::new(),
            pending: Vec::new(),
            missing: Vec::new(),
            last_parent: (Vec::new(), NONE),
        }
    }

    /// Applies one entry of a layer. Entries must come in archive order, layers from the lowest up.
    /// With `whiteouts` false (a directory, not a layer) names beginning with `.wh.` mean nothing special.
    pub fn apply(
        &mut self,
        layer: u16,
        ordinal: u32,
        entry: IndexEntry<'_>,
        whiteouts: bool,
    ) -> Result<(), ApplyError> {
        let (parent_path, name) = split(entry.path);
        if whiteouts && name.starts_with(WHITEOUT) {
            return self.apply_whiteout(layer, parent_path, name);
        }
        let cached = self.last_parent.1 != NONE && self.last_parent.0 == parent_path;
        let (parent, direct) = if cached {
            (self.last_parent.1, true)
        } else {
            let found = self.resolve(parent_path)?;
            (self.create_missing(found.node)?, found.direct)
        };
        let existing = self.child(parent, name);
        let keeps = entry.kind == IndexKind::Directory
            && existing.is_some_and(|node| self.nodes[node as usize].kind == Kind::Directory);
        let node = if keeps {
            existing.unwrap_or(ROOT)
        } else {
            self.replace(layer, ordinal, parent, name, existing, &entry, direct)?
        };
        self.touch(node, layer);
        // Only a path that was walked without links is cheap to recognise again.
        if direct && !cached {
            self.last_parent.0.clear();
            self.last_parent.0.extend_from_slice(parent_path);
            self.last_parent.1 = parent;
        }
        Ok(())
    }

    /// The node at a path, following links in every component, the last included.
    pub fn resolve_path(&mut self, path: &[u8]) -> Option<NodeId> {
        let found = self.resolve(path).ok()?;
        self.missing.is_empty().then_some(NodeId(found.node))
    }

    /// Every node below the root, parents before children.
    pub fn walk(&self, mut visit: impl FnMut(NodeId, NodeKind<'_>)) {
        let mut stack = vec![self.nodes[ROOT as usize].first_child];
        while let Some(mut node) = stack.pop() {
            while node != NONE {
                visit(NodeId(node), self.kind(NodeId(node)));
                let current = &self.nodes[node as usize];
                if current.kind == Kind::Directory && current.first_child != NONE {
                    stack.push(current.first_child);
                }
                node = current.next;
            }
        }
    }

    /// What a node is.
    pub fn kind(&self, node: NodeId) -> NodeKind<'_> {
        let found = &self.nodes[node.0 as usize];
        let content = ContentId { layer: found.content_layer, ordinal: found.payload };
        match found.kind {
            Kind::Directory | Kind::Free => NodeKind::Directory,
            Kind::File => NodeKind::File { content, direct: true },
            Kind::IndirectFile => NodeKind::File { content, direct: false },
            Kind::Symlink => NodeKind::Symlink(self.target(found)),
            Kind::Special => NodeKind::Special,
        }
    }

    /// Appends the node's path, without leading slash, to `path`, which is cleared first.
    pub fn path_into(&self, node: NodeId, path: &mut Vec<u8>) {
        path.clear();
        let mut chain = Vec::with_capacity(16);
        let mut current = node.0;
        while current != ROOT {
            chain.push(current);
            current = self.nodes[current as usize].parent;
        }
        for &id in chain.iter().rev() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(self.name(&self.nodes[id as usize]));
        }
    }

    /// Earlier contents that lower layers had at this very path, lowest first, unbroken by a removal.
    pub fn history(&self, node: NodeId) -> &[ContentId] {
        self.history.get(&node.0).map_or(&[], Vec::as_slice)
    }

    fn apply_whiteout(&mut self, layer: u16, parent_path: &[u8], name: &[u8]) -> Result<(), ApplyError> {
        let opaque = name == OPAQUE;
        let hidden = &name[WHITEOUT.len()..];
        if hidden.is_empty() || hidden == b"." || hidden == b".." {
            return Err(ApplyError::Whiteout);
        }
        let parent = self.resolve(parent_path)?.node;
        if !self.missing.is_empty() {
            return Ok(());
        }
        self.last_parent.1 = NONE;
        if opaque {
            self.remove_children_of_lower(parent, layer);
        } else if let Some(node) = self.child(parent, hidden) {
            if self.nodes[node as usize].touched == layer + 1 {
                self.remove_children_of_lower(node, layer);
            } else {
                self.remove(node);
            }
        }
        Ok(())
    }

    /// Removes everything below `node` that this layer has not touched.
    fn remove_children_of_lower(&mut self, node: u32, layer: u16) {
        let mut stack = vec![node];
        while let Some(directory) = stack.pop() {
            if self.nodes[directory as usize].kind != Kind::Directory {
                continue;
            }
            let mut child = self.nodes[directory as usize].first_child;
            while child != NONE {
                let next = self.nodes[child as usize].next;
                if self.nodes[child as usize].touched == layer + 1 {
                    stack.push(child);
                } else {
                    self.remove(child);
                }
                child = next;
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where an entry becomes a node")]
    fn replace(
        &mut self,
        layer: u16,
        ordinal: u32,
        parent: u32,
        name: &[u8],
        existing: Option<u32>,
        entry: &IndexEntry<'_>,
        direct: bool,
    ) -> Result<u32, ApplyError> {
        let mut past = Vec::new();
        if let Some(node) = existing {
            let old = &self.nodes[node as usize];
            let is_file = matches!(old.kind, Kind::File | Kind::IndirectFile);
            if is_file && entry.kind == IndexKind::File {
                let content = ContentId { layer: old.content_layer, ordinal: old.payload };
                past = self.history.remove(&node).unwrap_or_default();
                if content.layer != layer {
                    past.push(content);
                }
            }
            self.remove(node);
        }
        let (kind, content, target) = match entry.kind {
            IndexKind::Directory => (Kind::Directory, None, &[][..]),
            IndexKind::Special => (Kind::Special, None, &[][..]),
            IndexKind::Symlink => (Kind::Symlink, None, entry.target),
            IndexKind::File => {
                let kind = if direct { Kind::File } else { Kind::IndirectFile };
                (kind, Some(ContentId { layer, ordinal }), &[][..])
            }
            IndexKind::Hardlink => return self.hardlink(parent, name, entry.target),
        };
        let node = self.insert(parent, name, kind)?;
        if kind == Kind::Symlink {
            self.set_target(node, target)?;
        }
        if let Some(content) = content {
            self.nodes[node as usize].content_layer = content.layer;
            self.nodes[node as usize].payload = content.ordinal;
        }
        if !past.is_empty() {
            self.history.insert(node, past);
        }
        Ok(node)
    }

    fn hardlink(&mut self, parent: u32, name: &[u8], target: &[u8]) -> Result<u32, ApplyError> {
        let (target_parent, target_name) = split(target);
        let found = self.resolve(target_parent)?;
        if !self.missing.is_empty() {
            return Err(ApplyError::LinkTarget);
        }
        let source = self.child(found.node, target_name).ok_or(ApplyError::LinkTarget)?;
        let (kind, content_layer, payload, length) = {
            let node = &self.nodes[source as usize];
            let kind = match node.kind {
                Kind::File | Kind::IndirectFile => Kind::IndirectFile,
                Kind::Symlink => Kind::Symlink,
                Kind::Special => Kind::Special,
                Kind::Directory | Kind::Free => return Err(ApplyError::LinkTarget),
            };
            (kind, node.content_layer, node.payload, node.first_child)
        };
        let node = self.insert(parent, name, kind)?;
        let new = &mut self.nodes[node as usize];
        new.content_layer = content_layer;
        new.payload = payload;
        new.first_child = length;
        Ok(node)
    }

    /// Walks a path from the root as `openat2(RESOLVE_IN_ROOT)` would: `..` stops at the root, absolute
    /// targets begin there. Names that do not exist are left in `missing`.
    fn resolve(&mut self, path: &[u8]) -> Result<Resolved, ApplyError> {
        let mut pending = std::mem::take(&mut self.pending);
        let mut missing = std::mem::take(&mut self.missing);
        pending.clear();
        missing.clear();
        push_components(&mut pending, path);
        let result = self.resolve_pending(&mut pending, &mut missing);
        self.pending = pending;
        self.missing = missing;
        result
    }

    fn resolve_pending(
        &self,
        pending: &mut Vec<Vec<u8>>,
        missing: &mut Vec<Vec<u8>>,
    ) -> Result<Resolved, ApplyError> {
        let mut node = ROOT;
        let mut hops = 0;
        while let Some(name) = pending.pop() {
            if name == b".." {
                if missing.pop().is_none() {
                    node = self.nodes[node as usize].parent;
                }
                continue;
            }
            let child = if missing.is_empty() { self.child(node, &name) } else { None };
            let Some(child) = child else {
                missing.push(name);
                continue;
            };
            let found = &self.nodes[child as usize];
            if found.kind == Kind::Symlink {
                hops += 1;
                if hops > self.max_hops {
                    return Err(ApplyError::Loop);
                }
                let target = self.target(found);
                if target.first() == Some(&b'/') {
                    node = ROOT;
                }
                push_components(pending, target);
            } else {
                node = child;
            }
        }
        Ok(Resolved { node, direct: hops == 0 })
    }

    /// Makes the directories that `resolve` left in `missing`; a file in the way is replaced.
    fn create_missing(&mut self, mut node: u32) -> Result<u32, ApplyError> {
        if self.nodes[node as usize].kind != Kind::Directory {
            let parent = self.nodes[node as usize].parent;
            let name = self.name(&self.nodes[node as usize]).to_vec();
            self.remove(node);
            node = self.insert(parent, &name, Kind::Directory)?;
        }
        for name in std::mem::take(&mut self.missing) {
            node = self.insert(node, &name, Kind::Directory)?;
        }
        Ok(node)
    }

    /// Marks a path and its ancestors as belonging to this layer; an ancestor of a marked node is marked.
    fn touch(&mut self, mut node: u32, layer: u16) {
        while node != ROOT && self.nodes[node as usize].touched != layer + 1 {
            self.nodes[node as usize].touched = layer + 1;
            node = self.nodes[node as usize].parent;
        }
    }

    fn insert(&mut self, parent: u32, name: &[u8], kind: Kind) -> Result<u32, ApplyError> {
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

    fn remove(&mut self, node: u32) {
        self.last_parent.1 = NONE;
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
            self.history.remove(&id);
            self.nodes[id as usize].kind = Kind::Free;
            self.nodes[id as usize].next = self.free;
            self.free = id;
        }
    }

    fn set_target(&mut self, node: u32, target: &[u8]) -> Result<(), ApplyError> {
        if self.names.len() + target.len() > MAX_NAME_BYTES {
            return Err(ApplyError::Full);
        }
        let start = self.names.len() as u32;
        self.names.extend_from_slice(target);
        self.nodes[node as usize].payload = start;
        self.nodes[node as usize].first_child = u32::try_from(target.len()).map_err(|_| ApplyError::Full)?;
        Ok(())
    }

    fn child(&self, parent: u32, name: &[u8]) -> Option<u32> {
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

    fn name(&self, node: &Node) -> &[u8] {
        slice(&self.names, node.name_start, node.name_len.into())
    }

    fn target(&self, node: &Node) -> &[u8] {
        slice(&self.names, node.payload, node.first_child as usize)
    }

    fn hash(&self, parent: u32, name: &[u8]) -> u64 {
        hash_of(&self.hasher, parent, name)
    }
}

#[derive(Clone, Copy)]
struct Resolved {
    node: u32,
    direct: bool,
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

fn push_components(pending: &mut Vec<Vec<u8>>, path: &[u8]) {
    let components = path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".");
    let start = pending.len();
    pending.extend(components.map(<[u8]>::to_vec));
    pending[start..].reverse();
}

/// Parent path and last name; the parent of a one-part path is the root, written as an empty path.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.iter().rposition(|&b| b == b'/').map_or((&[][..], path), |at| (&path[..at], &path[at + 1..]))
}

#[cfg(test)]
mod tests;
