#include "base/cpu.h"

#include <array>
#include <atomic>
#include <fstream>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace halftone {
namespace {

constexpr std::array<std::pair<Isa, std::string_view>, 9> kNames{{{Isa::scalar, "scalar"},
                                                                  {Isa::avx2, "avx2"},
                                                                  {Isa::avxvnni, "avxvnni"},
                                                                  {Isa::avx512vnni, "avx512vnni"},
                                                                  {Isa::avx512bf16, "avx512bf16"},
                                                                  {Isa::amx, "amx"},
                                                                  {Isa::neon, "neon"},
                                                                  {Isa::neondot, "neondot"},
                                                                  {Isa::neoni8mm, "neoni8mm"}}};

std::atomic<int> strongest_allowed{static_cast<int>(Isa::neoni8mm)};
std::atomic<int> emulated{-1};

#if defined(__x86_64__)
/// Compilers do not all have a name for it.
bool has_avxvnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kVnni = 1u << 4;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
         (a & kVnni) != 0;
}

/// Linux hands out the registers of tiles to processes that ask (arch_prctl(2)); threads that start later
/// have them too.
bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1u << 22, kTiles = 1u << 24, kInt8 = 1u << 25, kAll = kBf16 | kTiles | kInt8;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kAll) != kAll) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

bool hardware_has(Isa isa) {
  if (isa == Isa::scalar) return true;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool vnni = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
  if (isa == Isa::avx2) return avx2;
  if (isa == Isa::avxvnni) {
    static const bool vnni_256 = has_avxvnni();
    return avx2 && vnni_256;
  }
  if (isa == Isa::avx512vnni) return vnni;
  const bool bf16 = vnni && __builtin_cpu_supports("avx512bf16");
  if (isa == Isa::avx512bf16) return bf16;
  if (isa == Isa::amx) {
    static const bool amx = has_amx();
    return bf16 && amx;
  }
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
  if (static_cast<int>(isa) > strongest_allowed.load()) return false;
  return static_cast<int>(isa) == emulated.load() || hardware_has(isa);
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

void take_as_emulated(Isa isa) {
  emulated = static_cast<int>(isa);
}

bool cpu_is_amd() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

bool cpu_is_zen5() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kFamily = 0x1a;
  return cpu_is_amd() && __get_cpuid(1, &a, &b, &c, &d) && (a >> 8 & 0xf) + (a >> 20 & 0xff) >= kFamily;
#else
  return false;
#endif
}

std::string cpu_model_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (auto colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return "unknown";
}

}  // namespace halftone
