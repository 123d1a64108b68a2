//! Images opened from every kind of source, real and in code, and hostile ones refused.

#[cfg(test)]
mod archives;
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod bucket_faults;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod platforms;
#[cfg(test)]
mod push;
#[cfg(test)]
mod real_images;
#[cfg(test)]
mod real_registry;
#[cfg(test)]
mod registry_auth;
#[cfg(test)]
mod registry_faults;
