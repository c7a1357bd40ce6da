#pragma once

#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone::cpu {

/// Every kernel whose name begins with `prefix` and that takes the site gives the reference's bytes, with one
/// thread and with three (three alone where avxvnni_emulator.cpp may run it). Returns how many there were.
inline size_t expect_exact(OpRun& run, std::string_view prefix, const std::string& what) {
  const std::vector<Tensor> expected = run.reference();
  size_t count = 0;
  for (const Kernel* kernel : cpu_kernels(run.site().schema->name)) {
    if (!kernel->name.starts_with(prefix) || !kernel->supports(run.site()).empty()) continue;
    ++count;
    for (int size : {1, 3}) {
      if (kernel->isa == Isa::avxvnni && size == 1) continue;
      ThreadPool threads(size);
      const std::vector<Tensor> made = run_kernel(*kernel, run, threads);
      for (size_t i = 0; i < made.size(); ++i) {
        const auto a = expected[i].view().bytes(), b = made[i].view().bytes();
        EXPECT_EQ(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin(),
                  static_cast<ptrdiff_t>(a.size()))
            << kernel->name << ", " << size << " threads: " << what;
      }
    }
  }
  return count;
}

/// Instruction sets of this processor that integer kernels are written for;
inline size_t int8_isas() {
  size_t count = 0;
  for (Isa isa : {Isa::avx2, Isa::avx512vnni, Isa::neondot}) count += cpu_has(isa);
  return count;
}

/// and those that multiply codes by packed weights.
inline size_t code_tile_isas() {
  return int8_isas() + (cpu_has(Isa::avxvnni) ? 1 : 0) + (cpu_has(Isa::amx) ? 1 : 0);
}

}  // namespace halftone::cpu
