#include "backend/cpu/packed_memory.h"

#include <cstdlib>
#include <sys/mman.h>

#include "backend/packed_store.h"
#include "base/checked.h"
#include "base/error.h"

namespace halftone::cpu {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

std::shared_ptr<std::byte> allocate(size_t bytes) {
  const size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  void* memory = std::aligned_alloc(alignment, round_up(bytes + 1, kCacheLine));
  if (!memory) throw ResourceError("out of memory: {} bytes for packed weights", bytes);
  // Only whole pages: a last one that is mostly empty would cost 2 MiB for each constant. Advice: may fail.
  if (const size_t whole = bytes / kHugePage * kHugePage) madvise(memory, whole, MADV_HUGEPAGE);
  return {static_cast<std::byte*>(memory), std::free};
}

}  // namespace

PackedMemory::PackedMemory(size_t bytes) : own_(allocate(bytes)), data_(own_), size_(bytes) {}

PackedMemory::PackedMemory(size_t bytes, const std::function<void(std::byte* to)>& pack) : size_(bytes) {
  PackedStore* store = PackedStore::current();
  if (store) data_ = store->find(bytes);
  if (data_) return;
  own_ = allocate(bytes);
  pack(own_.get());
  data_ = own_;
  if (store) store->keep(data_, bytes);
}

}  // namespace halftone::cpu
