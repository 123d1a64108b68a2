//! The file system that a stack of layers makes, as names only: applied layer by layer with the semantics
//! of the OCI image specification (layer.md, "Applying Changesets"), the way container runtimes unpack.
//!
//! Parents are resolved through symbolic links inside the root, whiteouts remove only what lower layers
//! brought, and anything but a directory over a directory replaces what was there. The tree holds about
//! 50 bytes a path and never touches content; it knows a file only as (layer, ordinal).

mod arena;
mod resolve;

use std::cell::Cell;

use hashbrown::HashMap;
use model::Limits;

use self::{
    arena::{Arena, Kind, NONE, ROOT},
    resolve::PathLimits,
};
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
    /// Links lead to a place deeper, or with a longer path, than an entry may have itself.
    #[error("symbolic links lead deeper than the limit")]
    Deep,
    /// All paths together took too many steps to resolve: links can make each of them very long.
    #[error("the links of the image take more steps to follow than the limit")]
    Work,
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The merged names of an image.
pub struct Tree {
    arena: Arena,
    limits: PathLimits,
    /// Components that may still be walked, over all paths.
    steps: Cell<u64>,
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
    /// An empty root. `max_nodes` bounds memory, `limits` the links followed to resolve one path and how deep
    /// they may lead.
    pub fn new(max_nodes: usize, limits: &Limits) -> Self {
        let Limits { link_hops, path_bytes, path_depth, .. } = *limits;
        Self {
            arena: Arena::new(max_nodes),
            steps: Cell::new(resolve::MAX_STEPS),
            limits: PathLimits { hops: link_hops, bytes: path_bytes, depth: path_depth },
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
            self.limits.check(0, entry.path.len())?;
            (self.last_parent.1, true)
        } else {
            let found = self.resolve(parent_path)?;
            self.limits.check(found.depth + 1, found.bytes + name.len())?;
            (self.create_missing(found.node)?, found.direct)
        };
        let existing = self.arena.child(parent, name);
        let keeps = entry.kind == IndexKind::Directory
            && existing.is_some_and(|node| self.arena[node].kind == Kind::Directory);
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

    /// True when all steps are taken: what is resolved from then on is not found.
    pub const fn is_exhausted(&self) -> bool {
        self.steps.get() == 0
    }

    /// Every node below the root, parents before children.
    pub fn walk(&self, mut visit: impl FnMut(NodeId, NodeKind<'_>)) {
        let mut stack = vec![self.arena[ROOT].first_child];
        while let Some(mut node) = stack.pop() {
            while node != NONE {
                visit(NodeId(node), self.kind(NodeId(node)));
                let current = &self.arena[node];
                if current.kind == Kind::Directory && current.first_child != NONE {
                    stack.push(current.first_child);
                }
                node = current.next;
            }
        }
    }

    /// What a node is.
    pub fn kind(&self, node: NodeId) -> NodeKind<'_> {
        let found = &self.arena[node.0];
        let content = ContentId { layer: found.content_layer, ordinal: found.payload };
        match found.kind {
            Kind::Directory | Kind::Free => NodeKind::Directory,
            Kind::File => NodeKind::File { content, direct: true },
            Kind::IndirectFile => NodeKind::File { content, direct: false },
            Kind::Symlink => NodeKind::Symlink(self.arena.target(found)),
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
            current = self.arena[current].parent;
        }
        for &id in chain.iter().rev() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(self.arena.name(&self.arena[id]));
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
        } else if let Some(node) = self.arena.child(parent, hidden) {
            if self.arena[node].touched == layer + 1 {
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
            if self.arena[directory].kind != Kind::Directory {
                continue;
            }
            let mut child = self.arena[directory].first_child;
            while child != NONE {
                let next = self.arena[child].next;
                if self.arena[child].touched == layer + 1 {
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
            let old = &self.arena[node];
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
        let node = self.arena.insert(parent, name, kind)?;
        if kind == Kind::Symlink {
            self.arena.set_target(node, target)?;
        }
        if let Some(content) = content {
            self.arena[node].content_layer = content.layer;
            self.arena[node].payload = content.ordinal;
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
        let source = self.arena.child(found.node, target_name).ok_or(ApplyError::LinkTarget)?;
        let (kind, content_layer, payload, length) = {
            let node = &self.arena[source];
            let kind = match node.kind {
                Kind::File | Kind::IndirectFile => Kind::IndirectFile,
                Kind::Symlink => Kind::Symlink,
                Kind::Special => Kind::Special,
                Kind::Directory | Kind::Free => return Err(ApplyError::LinkTarget),
            };
            (kind, node.content_layer, node.payload, node.first_child)
        };
        let node = self.arena.insert(parent, name, kind)?;
        let new = &mut self.arena[node];
        new.content_layer = content_layer;
        new.payload = payload;
        new.first_child = length;
        Ok(node)
    }

    /// Makes the directories that `resolve` left in `missing`; a file in the way is replaced.
    fn create_missing(&mut self, mut node: u32) -> Result<u32, ApplyError> {
        if self.arena[node].kind != Kind::Directory {
            let parent = self.arena[node].parent;
            let name = self.arena.name(&self.arena[node]).to_vec();
            self.remove(node);
            node = self.arena.insert(parent, &name, Kind::Directory)?;
        }
        for name in std::mem::take(&mut self.missing) {
            node = self.arena.insert(node, &name, Kind::Directory)?;
        }
        Ok(node)
    }

    /// Marks a path and its ancestors as belonging to this layer; an ancestor of a marked node is marked.
    fn touch(&mut self, mut node: u32, layer: u16) {
        while node != ROOT && self.arena[node].touched != layer + 1 {
            self.arena[node].touched = layer + 1;
            node = self.arena[node].parent;
        }
    }

    /// Takes a node out, with all below it and all that was remembered of them.
    fn remove(&mut self, node: u32) {
        self.last_parent.1 = NONE;
        let history = &mut self.history;
        self.arena.remove(node, |gone| drop(history.remove(&gone)));
    }
}

/// Parent path and last name; the parent of a one-part path is the root, written as an empty path.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.iter().rposition(|&b| b == b'/').map_or((&[][..], path), |at| (&path[..at], &path[at + 1..]))
}

#[cfg(test)]
mod tests;
