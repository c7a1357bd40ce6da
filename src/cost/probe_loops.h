#pragma once

#include <cstddef>
#include <cstdint>

namespace halftone {

/// The inner loops of the probes for one instruction set. Null where it lacks the instruction.
struct ProbeLoops {
  /// Reads `bytes` (a multiple of 1024) as four streams and returns something that depends on all of it.
  uint64_t (*read)(const std::byte* data, size_t bytes);
  /// Each runs `rounds` rounds and returns the operations done.
  double (*f32)(int64_t rounds);
  double (*int8)(int64_t rounds);
  double (*bf16)(int64_t rounds);
};

extern const ProbeLoops probe_scalar;
extern const ProbeLoops probe_avx2;
extern const ProbeLoops probe_avxvnni;
extern const ProbeLoops probe_avx512vnni;
extern const ProbeLoops probe_avx512bf16;
extern const ProbeLoops probe_amx;
extern const ProbeLoops probe_neon;
extern const ProbeLoops probe_neondot;

}  // namespace halftone
