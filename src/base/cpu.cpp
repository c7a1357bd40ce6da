#include "base/cpu.h"

#include <array>
#include <atomic>
#include <fstream>
#include <utility>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace halftone {
namespace {

constexpr std::array<std::pair<Isa, std::string_view>, 7> kNames{{{Isa::scalar, "scalar"},
                                                                  {Isa::avx2, "avx2"},
                                                                  {Isa::avx512vnni, "avx512vnni"},
                                                                  {Isa::avx512bf16, "avx512bf16"},
                                                                  {Isa::neon, "neon"},
                                                                  {Isa::neondot, "neondot"},
                                                                  {Isa::neoni8mm, "neoni8mm"}}};

std::atomic<int> strongest_allowed{static_cast<int>(Isa::neoni8mm)};

bool hardware_has(Isa isa) {
  if (isa == Isa::scalar) return true;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool vnni = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
  if (isa == Isa::avx2) return avx2;
  if (isa == Isa::avx512vnni) return vnni;
  if (isa == Isa::avx512bf16) return vnni && __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__)
  if (isa == Isa::neon) return true;
  if (isa == Isa::neondot) return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
  if (isa == Isa::neoni8mm)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) && (getauxval(AT_HWCAP2) & HWCAP2_I8MM);
#endif
  return false;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  return kNames[static_cast<size_t>(isa)].second;
}

std::optional<Isa> isa_from_name(std::string_view name) {
  for (const auto& [isa, known] : kNames)
    if (known == name) return isa;
  return std::nullopt;
}

bool cpu_has(Isa isa) {
  return static_cast<int>(isa) <= strongest_allowed.load() && hardware_has(isa);
}

std::vector<Isa> cpu_isas() {
  std::vector<Isa> found;
  for (const auto& [isa, name] : kNames)
    if (cpu_has(isa)) found.push_back(isa);
  return found;
}

void limit_isa(Isa isa) {
  strongest_allowed = static_cast<int>(isa);
}

std::string cpu_model_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (auto colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return "unknown";
}

}  // namespace halftone
