#pragma once

#include "base/thread_pool.h"

namespace halftone {

/// What this machine really does, measured with all threads of the pool: the roofs that shares are taken of.
/// Each probe takes a fraction of a second and returns the best of several runs, since other work on the
/// machine can only slow a run down.

/// Bytes per second read from memory: several sequential streams per thread over a buffer far larger than the
/// caches, in huge pages where the system grants them.
double read_bandwidth(ThreadPool& threads);

/// Operations per second of register-only loops of the strongest instructions allowed (base/cpu.h); a
/// multiply-add counts as two.
double peak_f32_flops(ThreadPool& threads);
/// u8 x s8 products summed in 32 bits.
double peak_int8_ops(ThreadPool& threads);
/// bf16 products summed in f32; 0 where the processor has no instruction for them.
double peak_bf16_flops(ThreadPool& threads);

}  // namespace halftone
