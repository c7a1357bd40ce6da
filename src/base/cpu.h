#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace halftone {

/// Instruction sets that kernels are written for, weakest first within a family.
enum class Isa { scalar, avx2, avxvnni, avx512vnni, avx512bf16, amx, neon, neondot, neoni8mm };

std::string_view isa_name(Isa isa);
std::optional<Isa> isa_from_name(std::string_view name);

/// Whether this processor runs code compiled for `isa`, the system lets this process use it, and the limit
/// set by limit_isa() allows it. `avxvnni`: products of bytes in 256 bits beside avx2, which processors with
/// avx512vnni may lack. `amx`: tiles of int8 and of bf16, beside avx512bf16.
bool cpu_has(Isa isa);

/// The sets this processor has, weakest first.
std::vector<Isa> cpu_isas();

/// Forbids every set stronger than `isa` of its family from now on (the --isa flag; tests).
void limit_isa(Isa isa);

/// For tests that emulate the set's instructions in this process: takes the processor to have it.
void take_as_emulated(Isa isa);

/// Whether AMD designed it: its prefetchers follow several streams of memory by themselves, and fetching a
/// little ahead of them makes reading slower (docs/benchmarks/cpu.md).
bool cpu_is_amd();
/// Whether it is AMD's family 1Ah, Zen 5 (or later): reads fastest what is fetched in the order of addresses.
bool cpu_is_zen5();

/// The processor's own name ("AMD EPYC ..."), or "unknown".
std::string cpu_model_name();

}  // namespace halftone
