#pragma once

// What ThreadSanitizer and AddressSanitizer are told of a device's threads and memory. In a build without
// them these functions do nothing.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define HALFTONE_ADDRESS_SANITIZER
#elif defined(__SANITIZE_THREAD__)
#define HALFTONE_THREAD_SANITIZER 1  // CMakeLists.txt says so to files that are not instrumented
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HALFTONE_ADDRESS_SANITIZER
#elif __has_feature(thread_sanitizer)
#define HALFTONE_THREAD_SANITIZER 1
#endif
#endif

#ifdef HALFTONE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef HALFTONE_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void __tsan_read_range(void* at, unsigned long bytes);
}
#endif

namespace halftone::cuda::host {

#ifdef HALFTONE_ADDRESS_SANITIZER
inline constexpr bool kAddressSanitizer = true;
/// Until unpoison(), touching one of these bytes ends the program with a report.
inline void poison(const void* at, size_t bytes) {
  __asan_poison_memory_region(at, bytes);
}
inline void unpoison(const void* at, size_t bytes) {
  __asan_unpoison_memory_region(at, bytes);
}
#else
inline constexpr bool kAddressSanitizer = false;
inline void poison(const void*, size_t) {}
inline void unpoison(const void*, size_t) {}
#endif

#ifdef HALFTONE_THREAD_SANITIZER
inline constexpr bool kThreadSanitizer = true;
/// What this thread has done, and what it knows to be done, comes before what a thread does after it acquires
/// the same key.
inline void release(const void* key) {
  __tsan_release(const_cast<void*>(key));
}
inline void acquire(const void* key) {
  __tsan_acquire(const_cast<void*>(key));
}
/// As if the thread read these bytes here.
inline void touch(const void* at, size_t bytes) {
  __tsan_read_range(const_cast<void*>(at), bytes);
}
/// While it lives, what this thread reads and writes is nobody's concern: the stand-in's own business.
class Unwatched {
 public:
  Unwatched() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unwatched() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};
#else
inline constexpr bool kThreadSanitizer = false;
inline void release(const void*) {}
inline void acquire(const void*) {}
inline void touch(const void*, size_t) {}
class Unwatched {
 public:
  Unwatched() {}
  ~Unwatched() {}
};
#endif

}  // namespace halftone::cuda::host
