//! The client against servers on loopback.

#[cfg(test)]
mod exchange;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod server;
