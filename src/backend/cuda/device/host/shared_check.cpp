#include "backend/cuda/device/host/shared_check.h"

#include <fmt/format.h>

namespace halftone::cuda::host {
namespace {

constexpr int kLanes = 32;
constexpr size_t kMaxWarps = 32;

}  // namespace

void SharedCheck::reset(size_t bytes) {
  bytes_.assign(bytes, {});
  warp_epochs_.assign(kMaxWarps, 1);
  epoch_ = 1;
}

SharedCheck::Access SharedCheck::now(int thread) const {
  const int warp = thread / kLanes;
  return {epoch_, warp_epochs_[static_cast<size_t>(warp)], static_cast<int16_t>(thread),
          static_cast<int16_t>(warp)};
}

bool SharedCheck::clashes(const Access& before, int thread) const {
  if (before.epoch != epoch_ || before.thread == thread) return false;
  const int warp = thread / kLanes;
  return before.warp != warp || before.warp_epoch == warp_epochs_[static_cast<size_t>(warp)];
}

std::string SharedCheck::check(size_t offset, size_t bytes, int thread, bool write) {
  const char* verb = write ? "writes" : "reads";
  if (offset > bytes_.size() || bytes > bytes_.size() - offset)
    return fmt::format("{} {} bytes at {} of shared memory, which has {}", verb, bytes,
                       static_cast<int64_t>(offset), bytes_.size());
  if (bytes > 0 && (bytes & (bytes - 1)) == 0 && offset % bytes != 0)
    return fmt::format("{} {} bytes at {} of shared memory, which is misaligned", verb, bytes, offset);
  for (size_t i = offset; i < offset + bytes; ++i) {
    const Byte& byte = bytes_[i];
    if (byte.copying)
      return fmt::format("{} byte {} of shared memory while an asynchronous copy to it is under way", verb,
                         i);
    if (!write && byte.written.epoch == 0)
      return fmt::format("reads byte {} of shared memory, which nobody has written", i);
    if (clashes(byte.written, thread))
      return fmt::format("{} byte {} of shared memory, which thread {} wrote without a barrier between", verb,
                         i, byte.written.thread);
    if (write && clashes(byte.read, thread))
      return fmt::format("writes byte {} of shared memory, which thread {} read without a barrier between", i,
                         byte.read.thread);
  }
  return {};
}

std::string SharedCheck::read(size_t offset, size_t bytes, int thread) {
  std::string wrong = check(offset, bytes, thread, false);
  if (!wrong.empty()) return wrong;
  const Access mine = now(thread);
  for (size_t i = offset; i < offset + bytes; ++i) {
    Access& read = bytes_[i].read;
    const bool first = read.epoch != epoch_ || (read.warp == mine.warp && read.warp_epoch != mine.warp_epoch);
    const Access before = read;
    read = mine;
    if (first || before.thread == thread) continue;
    read.thread = -1;
    if (before.warp != mine.warp) read.warp = -1;
  }
  return {};
}

std::string SharedCheck::write(size_t offset, size_t bytes, int thread) {
  std::string wrong = check(offset, bytes, thread, true);
  if (!wrong.empty()) return wrong;
  for (size_t i = offset; i < offset + bytes; ++i) bytes_[i].written = now(thread);
  return {};
}

std::string SharedCheck::begin_copy(size_t offset, size_t bytes, int thread) {
  std::string wrong = check(offset, bytes, thread, true);
  if (!wrong.empty()) return wrong;
  for (size_t i = offset; i < offset + bytes; ++i) bytes_[i].copying = true;
  return {};
}

void SharedCheck::end_copy(size_t offset, size_t bytes, int thread) {
  for (size_t i = offset; i < offset + bytes; ++i) {
    bytes_[i].copying = false;
    bytes_[i].written = now(thread);
  }
}

}  // namespace halftone::cuda::host
