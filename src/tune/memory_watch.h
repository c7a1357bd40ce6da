#pragma once

#include <atomic>
#include <cstddef>
#include <thread>

namespace halftone {

/// Watches how much anonymous memory (RssAnon: what the program allocated, without mapped model files) this
/// process holds, every few milliseconds, until it goes.
class MemoryWatch {
 public:
  MemoryWatch();
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  /// The most seen so far, in bytes; 0 where the system does not tell.
  size_t peak_bytes();

 private:
  void look();
  std::atomic<size_t> peak_{0};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace halftone
