//! Images opened from every kind of source, and hostile ones refused.

#[cfg(test)]
mod real_images;
