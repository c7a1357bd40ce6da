#include "tune/memory_watch.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>

namespace halftone {
namespace {

constexpr std::chrono::milliseconds kInterval{20};

size_t anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;  // "RssAnon:   123 kB"
  return 0;
}

}  // namespace

MemoryWatch::MemoryWatch()
    : thread_([this] {
        while (!done_) {
          look();
          std::this_thread::sleep_for(kInterval);
        }
      }) {}

MemoryWatch::~MemoryWatch() {
  done_ = true;
  thread_.join();
}

void MemoryWatch::look() {
  const size_t now = anonymous_bytes();
  for (size_t seen = peak_; now > seen && !peak_.compare_exchange_weak(seen, now);) {
  }
}

size_t MemoryWatch::peak_bytes() {
  look();
  return peak_;
}

}  // namespace halftone
