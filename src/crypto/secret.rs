//! Bytes that must stay secret: no Debug, Display, Clone or Serialize, and
//! zeroed when dropped.

use zeroize::{Zeroize as _, Zeroizing};

/// Secret bytes on the heap, so that moving them moves a pointer and leaves no copy on
/// the stack.
///
/// Reading them is one named call, [`SecretBytes::expose`].
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over bytes that already lie on the heap; they are zeroed when
    /// this value is dropped.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// `len` zero bytes, to be filled in place.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self::new(vec![0; len])
    }

    /// None yet, and room for so many.
    #[must_use]
    pub fn with_capacity(len: usize) -> Self {
        Self::new(Vec::with_capacity(len))
    }

    /// Copies `bytes` into a secret of their own; the source stays the caller's to clear.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The secret itself. Whoever calls this answers for where the bytes go.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret itself, to be filled or changed in place.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Adds bytes at the end. What it outgrows is zeroed.
    pub fn append(&mut self, more: &[u8]) {
        let needed = self.0.len() + more.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(more);
    }

    /// Drops what is behind the first `len` bytes, zeroed.
    pub fn truncate(&mut self, len: usize) {
        if let Some(rest) = self.0.get_mut(len..) {
            rest.zeroize();
        }
        self.0.truncate(len);
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
