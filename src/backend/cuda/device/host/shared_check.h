#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace halftone::cuda::host {

/// Watches each byte of a block's shared memory. Two accesses of a byte by two threads, one of them a write,
/// are a race unless a barrier of the block (or of the warp, for threads of one warp) lies between them. Each
/// check returns what is wrong, or nothing.
class SharedCheck {
 public:
  void reset(size_t bytes);
  /// A barrier of the block, or of one warp.
  void next_epoch() { ++epoch_; }
  void next_warp_epoch(int warp) { ++warp_epochs_[static_cast<size_t>(warp)]; }

  std::string read(size_t offset, size_t bytes, int thread);
  std::string write(size_t offset, size_t bytes, int thread);
  /// From begin to end of an asynchronous copy nobody may touch its bytes.
  std::string begin_copy(size_t offset, size_t bytes, int thread);
  void end_copy(size_t offset, size_t bytes, int thread);

 private:
  struct Access {
    uint32_t epoch = 0;  ///< 0: never
    uint32_t warp_epoch = 0;
    int16_t thread = -1;  ///< -1: several of the warp
    int16_t warp = -1;    ///< -1: of several warps
  };
  struct Byte {
    Access written;
    Access read;
    bool copying = false;
  };
  bool clashes(const Access& before, int thread) const;
  std::string check(size_t offset, size_t bytes, int thread, bool write);
  Access now(int thread) const;

  std::vector<Byte> bytes_;
  uint32_t epoch_ = 1;
  std::vector<uint32_t> warp_epochs_;
};

}  // namespace halftone::cuda::host
