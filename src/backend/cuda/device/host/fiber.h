#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace halftone::cuda::host {

/// Where a fiber runs: a stack, and what ThreadSanitizer takes for a thread. They go together, so that what
/// one fiber left on its stack and the next one does there are the same thread's.
class FiberPlace {
 public:
  static constexpr size_t kStackBytes = 64 * 1024;
  FiberPlace();
  ~FiberPlace();
  FiberPlace(const FiberPlace&) = delete;
  FiberPlace& operator=(const FiberPlace&) = delete;

  std::byte* stack() const { return stack_.get(); }
  void* tsan() const { return tsan_; }

 private:
  std::unique_ptr<std::byte[]> stack_;
  void* tsan_ = nullptr;
};

/// Places are used again and again: making them takes page faults, and with ThreadSanitizer a millisecond.
class FiberPlaces {
 public:
  FiberPlace* take();
  void give_back(FiberPlace* place) { free_.push_back(place); }

 private:
  std::vector<std::unique_ptr<FiberPlace>> owned_;
  std::deque<FiberPlace*> free_;
};

/// A function on a stack of its own that pauses where it likes. To ThreadSanitizer it is a thread, which
/// resuming and pausing do not order: see sanitizer.h for what does.
class Fiber {
 public:
  Fiber(FiberPlaces& places, std::function<void()> work);
  /// Of a function that has not ended, unwinds the stack.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Until it pauses or ends.
  void resume();
  /// Back to who resumed it; called by the function itself.
  void pause();

 private:
  struct Stay;
  void enter();
  void entered(void* saved);
  void leave(void** saved);

  FiberPlace* place_;
  std::function<void()> work_;
  boost::context::fiber self_;
  boost::context::fiber caller_;
  // Of who resumed it.
  void* caller_tsan_ = nullptr;
  void* caller_fake_stack_ = nullptr;
  const void* caller_stack_ = nullptr;
  size_t caller_stack_bytes_ = 0;
};

}  // namespace halftone::cuda::host
