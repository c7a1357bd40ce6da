#pragma once

// A block's shared memory. Its bytes come with the launch (Launch::shared_bytes); a kernel lays arrays out in
// them itself. On the host each access is checked: bounds, alignment, and races between barriers.

#include "backend/cuda/device/kernel.h"

namespace halftone::cuda {

#ifdef __CUDACC__
template <class T>
using Shared = T*;

/// `T`s in shared memory from byte `offset` (a multiple of 16) on.
template <class T>
DEVICE Shared<T> shared_memory(size_t offset) {
  extern __shared__ __align__(1024) unsigned char halftone_shared[];
  return reinterpret_cast<T*>(halftone_shared + offset);
}
/// Reads or writes a `V` (up to 16 bytes) over the elements from `at` on; it must be aligned as a V.
template <class V, class T>
DEVICE V load_as(Shared<T> at) {
  return *reinterpret_cast<const V*>(at);
}
template <class V, class T>
DEVICE void store_as(Shared<T> at, V value) {
  *reinterpret_cast<V*>(at) = value;
}
DEVICE uint32_t shared_address(const void* at) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(at));
}

#else
template <class T>
class SharedElement {
 public:
  explicit SharedElement(size_t offset) : offset_(offset) {}
  operator T() const {
    host::check_shared(offset_, sizeof(T), false);
    return *reinterpret_cast<const T*>(host::shared_bytes() + offset_);
  }
  T operator=(T value) const {
    host::check_shared(offset_, sizeof(T), true);
    return *reinterpret_cast<T*>(host::shared_bytes() + offset_) = value;
  }
  T operator=(const SharedElement& other) const { return *this = static_cast<T>(other); }
  T operator+=(T value) const { return *this = static_cast<T>(*this) + value; }
  T operator*=(T value) const { return *this = static_cast<T>(*this) * value; }

 private:
  size_t offset_;
};

template <class T>
class Shared {
 public:
  explicit Shared(size_t offset) : offset_(offset) {}
  template <class I>
  SharedElement<T> operator[](I i) const {
    return SharedElement<T>(at(static_cast<int64_t>(i)));
  }
  SharedElement<T> operator*() const { return SharedElement<T>(offset_); }
  template <class I>
  Shared operator+(I elements) const {
    return Shared(at(static_cast<int64_t>(elements)));
  }
  size_t offset() const { return offset_; }

 private:
  size_t at(int64_t element) const {
    return static_cast<size_t>(static_cast<int64_t>(offset_) + element * static_cast<int64_t>(sizeof(T)));
  }
  size_t offset_;
};

template <class T>
Shared<T> shared_memory(size_t offset) {
  return Shared<T>(offset);
}
template <class V, class T>
V load_as(Shared<T> at) {
  return SharedElement<V>(at.offset());
}
template <class V, class T>
void store_as(Shared<T> at, V value) {
  SharedElement<V>(at.offset()) = value;
}
#endif

}  // namespace halftone::cuda
