#include "backend/cpu/packed_memory.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <sys/mman.h>

#include "backend/packed_store.h"
#include "base/checked.h"
#include "base/error.h"

namespace halftone::cpu {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;
/// Of a run: taken from the system page by page as it is written, so what nobody uses costs nothing.
constexpr size_t kRunBytes = size_t{256} << 20;
/// Shorter constants are not worth a run.
constexpr size_t kLeastInRun = size_t{64} << 10;

std::shared_ptr<std::byte> aligned(size_t alignment, size_t bytes) {
  void* memory = std::aligned_alloc(alignment, round_up(bytes + 1, alignment));
  if (!memory) throw ResourceError("out of memory: {} bytes for packed weights", bytes);
  return {static_cast<std::byte*>(memory), std::free};
}

/// Huge pages in which constants lie one behind the other: a page that begins in one constant and ends in the
/// next would be 512 small ones if each had memory of its own.
struct Run {
  std::shared_ptr<std::byte> memory;
  size_t bytes, used = 0;

  explicit Run(size_t size) : memory(aligned(kHugePage, size)), bytes(size) {
    madvise(memory.get(), bytes, MADV_HUGEPAGE);  // advice: may fail
  }
};

/// Gives pages that belong to [begin, begin + bytes) alone back to the system.
void forget(std::byte* begin, size_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t from = round_up(uintptr_t{first}, uintptr_t{kHugePage});
  const uintptr_t to = (first + bytes) / kHugePage * kHugePage;
  if (from < to) madvise(begin + (from - first), to - from, MADV_DONTNEED);
}

std::shared_ptr<std::byte> allocate(size_t bytes) {
  if (bytes < kLeastInRun) return aligned(kCacheLine, bytes);
  static std::mutex mutex;
  static std::weak_ptr<Run> current;
  const std::lock_guard lock(mutex);
  std::shared_ptr<Run> run = current.lock();
  if (!run || run->bytes - run->used < bytes) {
    run = std::make_shared<Run>(std::max(kRunBytes, round_up(bytes, kHugePage)));
    current = run;
  }
  std::byte* memory = run->memory.get() + run->used;
  run->used = round_up(run->used + bytes, kCacheLine);
  return {memory, [run, bytes](std::byte* own) { forget(own, bytes); }};
}

}  // namespace

PackedMemory::PackedMemory(size_t bytes) : own_(allocate(bytes)), data_(own_), size_(bytes) {}

PackedMemory PackedMemory::find(size_t bytes) {
  PackedMemory memory;
  if (PackedStore* store = PackedStore::current()) memory.data_ = store->find(bytes);
  memory.size_ = bytes;
  return memory;
}

PackedMemory::PackedMemory(size_t bytes, const std::function<void(std::byte* to)>& pack)
    : PackedMemory(find(bytes)) {
  if (data_) return;
  *this = PackedMemory(bytes);
  pack(own_.get());
  if (PackedStore* store = PackedStore::current()) store->keep(data_, bytes);
}

}  // namespace halftone::cpu
