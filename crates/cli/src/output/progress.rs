//! Progress bars: one a layer, on a terminal only; and what is waited for where nothing can be counted.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::columns::printable;

/// How often the wait is drawn anew.
const TICK: Duration = Duration::from_millis(120);

/// Bars on standard error, or nothing when it is no terminal.
pub(crate) struct Bars {
    all: MultiProgress,
    layers: Mutex<HashMap<usize, ProgressBar>>,
    wait: Mutex<Option<ProgressBar>>,
}

impl Bars {
    /// `quiet` draws nothing, whatever standard error is.
    pub(crate) fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self {
            all: MultiProgress::with_draw_target(target),
            layers: Mutex::default(),
            wait: Mutex::default(),
        }
    }

    /// Says what is waited for, and how long already, until something else is shown.
    pub(crate) fn wait(&self, what: &str) {
        self.end_wait();
        if self.all.is_hidden() {
            return;
        }
        let bar = self.all.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(printable(what));
        bar.enable_steady_tick(TICK);
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    fn end_wait(&self) {
        if let Some(bar) = self.wait.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    /// A bar of its own, for something with that many bytes.
    pub(crate) fn bar(&self, name: String, bytes: Option<u64>) -> ProgressBar {
        self.end_wait();
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
        self.end_wait();
        let _ = self.all.clear();
    }

    fn with_layers<T>(&self, act: impl FnOnce(&mut HashMap<usize, ProgressBar>) -> T) -> T {
        act(&mut self.layers.lock().unwrap_or_else(PoisonError::into_inner))
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
