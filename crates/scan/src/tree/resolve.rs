//! Walking a path through the links of the tree, with bounds on how far and how much. Changes no node.

use super::{
    ApplyError, Tree,
    arena::{Kind, ROOT},
};

/// A million directories take about ten million steps; this many take a few seconds.
pub(super) const MAX_STEPS: u64 = 40_000_000;

/// Bounds of every path in the tree.
pub(super) struct PathLimits {
    /// Most links followed to resolve one.
    pub(super) hops: usize,
    /// Longest path from the root, in bytes.
    pub(super) bytes: usize,
    /// Most components of it.
    pub(super) depth: usize,
}

impl PathLimits {
    pub(super) const fn check(&self, depth: usize, bytes: usize) -> Result<(), ApplyError> {
        if depth > self.depth || bytes > self.bytes { Err(ApplyError::Deep) } else { Ok(()) }
    }
}

/// Where a path led.
#[derive(Clone, Copy)]
pub(super) struct Resolved {
    /// The last node on the way that exists.
    pub(super) node: u32,
    /// Components from the root, those that are missing included.
    pub(super) depth: usize,
    /// Their bytes, with a separator behind each.
    pub(super) bytes: usize,
    /// No link was on the way.
    pub(super) direct: bool,
}

impl Tree {
    /// Walks a path from the root as `openat2(RESOLVE_IN_ROOT)` would: `..` stops at the root, absolute
    /// targets begin there. Names that do not exist are left in `missing`.
    pub(super) fn resolve(&mut self, path: &[u8]) -> Result<Resolved, ApplyError> {
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
        // Components and bytes from the root to where the walk is, with what is missing.
        let (mut depth, mut bytes) = (0_usize, 0_usize);
        while let Some(name) = pending.pop() {
            self.take_steps(1)?;
            if name == b".." {
                let left = if let Some(name) = missing.pop() {
                    name.len()
                } else {
                    let left = self.arena.name(&self.arena[node]).len();
                    node = self.arena[node].parent;
                    left
                };
                // The root is its own parent.
                depth = depth.saturating_sub(1);
                bytes = bytes.saturating_sub(left + 1);
                continue;
            }
            let child = if missing.is_empty() { self.arena.child(node, &name) } else { None };
            if let Some(child) = child
                && self.arena[child].kind == Kind::Symlink
            {
                hops += 1;
                if hops > self.limits.hops {
                    return Err(ApplyError::Loop);
                }
                let target = self.arena.target(&self.arena[child]);
                // Taking a long target apart costs something even where its components are empty.
                self.take_steps(target.len() as u64 / 4)?;
                if target.first() == Some(&b'/') {
                    (node, depth, bytes) = (ROOT, 0, 0);
                }
                push_components(pending, target);
                continue;
            }
            depth += 1;
            bytes += name.len() + 1;
            // Without the separator behind the last component.
            self.limits.check(depth, bytes - 1)?;
            match child {
                Some(child) => node = child,
                None => missing.push(name),
            }
        }
        Ok(Resolved { node, depth, bytes, direct: hops == 0 })
    }

    /// Counts steps; once there are too few left, there are none.
    fn take_steps(&self, steps: u64) -> Result<(), ApplyError> {
        let left = self.steps.get().checked_sub(steps);
        self.steps.set(left.unwrap_or(0));
        left.map(drop).ok_or(ApplyError::Work)
    }
}

fn push_components(pending: &mut Vec<Vec<u8>>, path: &[u8]) {
    let components = path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".");
    let start = pending.len();
    pending.extend(components.map(<[u8]>::to_vec));
    pending[start..].reverse();
}
