#include "backend/cpu/packed_memory.h"

#include <cstdlib>
#include <sys/mman.h>

#include "base/checked.h"
#include "base/error.h"

namespace halftone::cpu {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

PackedMemory::PackedMemory(size_t bytes) : size_(bytes) {
  const size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, round_up(bytes + 1, kCacheLine))));
  if (!data_) throw ResourceError("out of memory: {} bytes for packed weights", bytes);
  // Only whole pages: a last one that is mostly empty would cost 2 MiB for each constant. Advice: may fail.
  if (const size_t whole = bytes / kHugePage * kHugePage) madvise(data_.get(), whole, MADV_HUGEPAGE);
}

void PackedMemory::Free::operator()(std::byte* data) const {
  std::free(data);
}

}  // namespace halftone::cpu
