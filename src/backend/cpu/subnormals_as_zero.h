#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace halftone::cpu {

/// While one lives, this thread's arithmetic takes subnormal floats (below 2^-126) for 0 and makes none.
/// Intel's processors leave the pipeline for some 120 cycles for each vector that reads or makes one, and
/// trained weights that decayed towards 0 are full of them: a layer then takes fifty times as long. Arm's
/// take them as they come, so there it does nothing. For the body of a parallel loop: a mode that is set in
/// one thread is not set in another, and results would depend on how many there are.
class SubnormalsAsZero {
 public:
#if defined(__x86_64__)
  SubnormalsAsZero() : before_(_mm_getcsr()) {
    _mm_setcsr(before_ | kFlushResults | kFlushInputs);
  }
  ~SubnormalsAsZero() {
    _mm_setcsr(before_);
  }
#else
  SubnormalsAsZero() {}
  ~SubnormalsAsZero() {}
#endif
  SubnormalsAsZero(const SubnormalsAsZero&) = delete;
  SubnormalsAsZero& operator=(const SubnormalsAsZero&) = delete;

#if defined(__x86_64__)
 private:
  static constexpr unsigned kFlushResults = 0x8000, kFlushInputs = 0x0040;
  unsigned before_;
#endif
};

}  // namespace halftone::cpu
