//! Progress bars: one a layer, on a terminal only.

use std::{collections::HashMap, sync::Mutex};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Bars on standard error, or nothing when it is no terminal.
pub(crate) struct Bars {
    all: MultiProgress,
    layers: Mutex<HashMap<usize, ProgressBar>>,
}

impl Bars {
    /// `quiet` draws nothing, whatever standard error is.
    pub(crate) fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { all: MultiProgress::with_draw_target(target), layers: Mutex::default() }
    }

    /// A bar of its own, for something with that many bytes.
    pub(crate) fn bar(&self, name: String, bytes: Option<u64>) -> ProgressBar {
        let bar = self.all.add(bytes.map_or_else(ProgressBar::no_length, ProgressBar::new));
        let template = match bytes {
            Some(_) => "{msg:<22} {wide_bar} {bytes:>10} / {total_bytes:<10} {bytes_per_sec:>12}",
            None => "{msg:<22} {bytes:>10} {bytes_per_sec:>12}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━━─"));
        }
        bar.set_message(name);
        bar
    }

    /// Removes what is left of them.
    pub(crate) fn clear(&self) {
        let _ = self.all.clear();
    }

    fn with_layers<T>(&self, act: impl FnOnce(&mut HashMap<usize, ProgressBar>) -> T) -> T {
        act(&mut self.layers.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl scan::Progress for Bars {
    fn layer_started(&self, index: usize, bytes: u64) {
        let bar = self.bar(format!("layer {index}"), Some(bytes));
        self.with_layers(|layers| layers.insert(index, bar));
    }

    fn layer_advanced(&self, index: usize, bytes: u64) {
        self.with_layers(|layers| {
            if let Some(bar) = layers.get(&index) {
                bar.inc(bytes);
            }
        });
    }

    fn layer_finished(&self, index: usize, _cached: bool) {
        if let Some(bar) = self.with_layers(|layers| layers.remove(&index)) {
            bar.finish();
        }
    }
}
