#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

#include "base/thread_pool.h"

namespace halftone {

/// What this machine really does, measured with all threads of the pool: the roofs that shares are taken of.
/// Each probe takes a fraction of a second and returns the best of several runs, since other work on the
/// machine can only slow a run down.

/// A buffer that is read again and again, as a layer's weights are: several sequential streams per thread, in
/// huge pages where the system grants them. Keeps its memory until it goes.
class ReadProbe {
 public:
  /// `bytes` in all, split among the threads. Throws ResourceError when there is no such memory.
  ReadProbe(ThreadPool& threads, double bytes);

  /// Bytes per second of one look, which takes some milliseconds.
  double sample() const;
  double bytes() const;       ///< that are read
  double held_bytes() const;  ///< of memory: whole huge pages

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  ThreadPool& threads_;
  size_t bytes_per_thread_;
  std::unique_ptr<std::byte, Free> buffer_;
};

/// How much must be read in turn for the memory to be seen and not the caches: four times the last cache, at
/// least 128 MiB a thread, at most 2 GiB or a quarter of the free memory.
double streaming_bytes(const ThreadPool& threads);

/// Bytes that one core's own caches hold (its second level); 0 where the system does not say.
double private_cache_bytes();

/// Bytes per second read from memory: the best of several looks over streaming_bytes().
double read_bandwidth(ThreadPool& threads);
/// The same over a working set of that many bytes, or over streaming_bytes() where that is less.
double read_bandwidth(ThreadPool& threads, double working_set);

/// Operations per second of register-only loops of the strongest instructions allowed (base/cpu.h); a
/// multiply-add counts as two.
double peak_f32_flops(ThreadPool& threads);
/// u8 x s8 products summed in 32 bits.
double peak_int8_ops(ThreadPool& threads);
/// bf16 products summed in f32; 0 where the processor has no instruction for them.
double peak_bf16_flops(ThreadPool& threads);

/// The three peaks as one short look at each finds them, now.
struct PeakSample {
  double f32 = 0, int8 = 0, bf16 = 0;
};
PeakSample sample_peaks(ThreadPool& threads);

}  // namespace halftone
