// Compiled without ThreadSanitizer's instrumentation: between telling it of a switch and the switch itself it
// would book calls on the wrong stack.

#include "backend/cuda/device/host/fiber.h"

#include "backend/cuda/device/host/sanitizer.h"

namespace halftone::cuda::host {
namespace {

using boost::context::fiber;
using boost::context::stack_context;

/// ThreadSanitizer takes a fiber at a place for the one that was there before: so many others come between.
/// A prime, so that blocks do not fall on one another.
constexpr size_t kLeastPlaces = kThreadSanitizer ? 1021 : 0;

struct PlacedStack {
  FiberPlaces* places;
  FiberPlace* place;
  stack_context allocate() const {
    stack_context stack;
    stack.size = FiberPlace::kStackBytes;
    stack.sp = place->stack() + FiberPlace::kStackBytes;
    return stack;
  }
  void deallocate(stack_context&) const { places->give_back(place); }
};

}  // namespace

FiberPlace::FiberPlace() : stack_(std::make_unique<std::byte[]>(kStackBytes)) {
#ifdef HALFTONE_THREAD_SANITIZER
  tsan_ = __tsan_create_fiber(0);
#endif
}
FiberPlace::~FiberPlace() {
#ifdef HALFTONE_THREAD_SANITIZER
  __tsan_destroy_fiber(tsan_);
#endif
}

FiberPlace* FiberPlaces::take() {
  if (free_.empty() || owned_.size() < kLeastPlaces)
    return owned_.emplace_back(std::make_unique<FiberPlace>()).get();
  FiberPlace* place = nullptr;
  if (kThreadSanitizer) {
    place = free_.front();  // the one left longest ago
    free_.pop_front();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  unpoison(place->stack(), FiberPlace::kStackBytes);
  return place;
}

/// The time that the function runs, however it ends.
struct Fiber::Stay {
  Fiber& fiber;
  explicit Stay(Fiber& f) : fiber(f) { fiber.entered(nullptr); }
  ~Stay() { fiber.leave(nullptr); }
};

Fiber::Fiber(FiberPlaces& places, std::function<void()> work)
    : place_(places.take()), work_(std::move(work)) {
  self_ = fiber(std::allocator_arg, PlacedStack{&places, place_}, [this](fiber&& caller) {
    caller_ = std::move(caller);
    {
      const Stay stay(*this);
      pause();  // so that each fiber that there is can be unwound alike
      work_();
    }
    return std::move(caller_);
  });
  resume();
}

Fiber::~Fiber() {
  if (!self_) return;
  enter();
  self_ = {};
#ifdef HALFTONE_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(caller_fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::resume() {
  enter();
  self_ = std::move(self_).resume();
#ifdef HALFTONE_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(caller_fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::pause() {
  struct Away {
    Fiber& fiber;
    void* fake_stack = nullptr;
    explicit Away(Fiber& f) : fiber(f) { fiber.leave(&fake_stack); }
    ~Away() { fiber.entered(fake_stack); }
  };
  const Away away(*this);
  caller_ = std::move(caller_).resume();
}

/// On the caller's stack, just before the switch.
void Fiber::enter() {
#ifdef HALFTONE_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(&caller_fake_stack_, place_->stack(), FiberPlace::kStackBytes);
#endif
#ifdef HALFTONE_THREAD_SANITIZER
  caller_tsan_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(place_->tsan(), __tsan_switch_to_fiber_no_sync);
#endif
}

/// On the fiber's, just after.
void Fiber::entered([[maybe_unused]] void* saved) {
#ifdef HALFTONE_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(saved, &caller_stack_, &caller_stack_bytes_);
#endif
}

/// On the fiber's, just before the switch back; `saved` null: for good.
void Fiber::leave([[maybe_unused]] void** saved) {
#ifdef HALFTONE_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(saved, caller_stack_, caller_stack_bytes_);
#endif
#ifdef HALFTONE_THREAD_SANITIZER
  __tsan_switch_to_fiber(caller_tsan_, __tsan_switch_to_fiber_no_sync);
#endif
}

}  // namespace halftone::cuda::host
