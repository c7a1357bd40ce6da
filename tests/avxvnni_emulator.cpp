// A test program that links this runs AVX-VNNI wherever there is AVX2: where the processor lacks it, a
// handler of SIGILL computes what the instruction would and goes on behind it. That costs microseconds, so
// the handler goes on itself through what such loops are mostly made of: more of these instructions, and
// loads.

#if defined(__x86_64__)

#include <algorithm>
#include <array>
#include <cpuid.h>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>
#include <ucontext.h>

#include "base/cpu.h"

namespace halftone {
namespace {

enum class Operation { bytes, bytes_saturated, words, words_saturated, broadcast, load };

/// VPDPBUSD(S), VPDPWSSD(S), VPBROADCASTD from memory, VMOVDQA and VMOVDQU from memory: Intel's manual,
/// volume 2.
struct Instruction {
  Operation operation;
  int64_t length;
  bool wide;  ///< 256 bits
  int to, first, second;
  const uint8_t* memory = nullptr;  ///< in the place of `second`
};

/// General registers in the order of their numbers.
constexpr std::array kGeneral = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                 REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

int64_t displacement(const uint8_t* at, int bytes) {
  if (bytes == 1) return static_cast<int8_t>(*at);
  int32_t four = 0;
  if (bytes == 4) std::memcpy(&four, at, sizeof(four));
  return four;
}

/// The operand in memory that ModRM and what follows it say. Adds the bytes behind ModRM to `length`.
const uint8_t* address(const uint8_t* modrm, bool index_high, bool base_high, const greg_t* registers,
                       int64_t& length) {
  const auto general = [&](int number) { return registers[kGeneral[static_cast<size_t>(number)]]; };
  const int mode = *modrm >> 6, rm = *modrm & 7;
  const uint8_t* next = modrm + 1;
  int base = rm | (base_high ? 8 : 0);
  int64_t place = 0;
  bool has_base = true;
  if (rm == 4) {
    const uint8_t sib = *next++;
    base = (sib & 7) | (base_high ? 8 : 0);
    const int index = (sib >> 3 & 7) | (index_high ? 8 : 0);
    if (index != 4) place = general(index) << (sib >> 6);
  }
  int bytes = mode == 1 ? 1 : mode == 2 ? 4 : 0;
  const bool relative = mode == 0 && rm == 5;
  if (mode == 0 && (base & 7) == 5) {
    has_base = false;
    bytes = 4;
  }
  if (has_base) place += general(base);
  place += displacement(next, bytes);
  next += bytes;
  length += next - (modrm + 1);
  if (relative) place += registers[REG_RIP] + length;
  return reinterpret_cast<const uint8_t*>(place);
}

/// The prefix of a VEX-encoded instruction. Its high bits of register numbers are stored inverted.
struct Vex {
  int64_t length;
  int map, prefix, other;  ///< `other`: the register that ModRM does not name
  bool w, wide, reg_high, index_high, base_high;

  static std::optional<Vex> read(const uint8_t* code) {
    const bool three = code[0] == 0xc4;
    if (!three && code[0] != 0xc5) return std::nullopt;
    const uint8_t last = three ? code[2] : code[1];
    const auto clear = [&](int bit) { return (code[1] >> bit & 1) == 0; };
    return Vex{three ? 3 : 2,   three ? code[1] & 0x1f : 1, last & 3,
               ~last >> 3 & 15, three && last >> 7 != 0,    (last & 4) != 0,
               clear(7),        three && clear(6),          three && clear(5)};
  }
};

std::optional<Operation> operation_of(const Vex& vex, uint8_t opcode, bool in_memory) {
  if (vex.map == 2 && vex.prefix == 1 && !vex.w) {
    if (opcode >= 0x50 && opcode <= 0x53) return static_cast<Operation>(opcode - 0x50);
    if (opcode == 0x58 && in_memory) return Operation::broadcast;
  }
  const bool moves = vex.map == 1 && (vex.prefix == 1 || vex.prefix == 2) && opcode == 0x6f;
  if (moves && in_memory) return Operation::load;
  return std::nullopt;
}

/// What stands at the instruction pointer; nothing where that is something else (other prefixes included).
std::optional<Instruction> decode(const greg_t* registers) {
  const auto* code = reinterpret_cast<const uint8_t*>(registers[REG_RIP]);
  const auto vex = Vex::read(code);
  if (!vex) return std::nullopt;
  const uint8_t* modrm = code + vex->length + 1;
  const bool in_memory = *modrm >> 6 != 3;
  const auto operation = operation_of(*vex, modrm[-1], in_memory);
  if (!operation) return std::nullopt;
  Instruction found{*operation, vex->length + 2,
                    vex->wide,  (*modrm >> 3 & 7) | (vex->reg_high ? 8 : 0),
                    vex->other, (*modrm & 7) | (vex->base_high ? 8 : 0)};
  if (in_memory) found.memory = address(modrm, vex->index_high, vex->base_high, registers, found.length);
  const bool aligned = reinterpret_cast<uintptr_t>(found.memory) % (vex->wide ? 32 : 16) == 0;
  // What the processor would refuse is left to it.
  if (found.operation == Operation::load && vex->prefix == 1 && !aligned) return std::nullopt;
  return found;
}

/// Where the upper halves of vector registers lie in the frame of a signal.
const uint32_t high_offset = [] {
  unsigned a = 0, b = 0, c = 0, d = 0;
  __get_cpuid_count(0xd, 2, &a, &b, &c, &d);
  return b;
}();

/// Vector registers as the kernel saved them in the frame of a signal (XSAVE's standard form; Intel's manual,
/// volume 1, chapter 13).
class SavedVectors {
 public:
  /// Null where the frame does not hold 256-bit registers.
  static std::optional<SavedVectors> find(const ucontext_t& context) {
    constexpr uint32_t kMagic1 = 0x46505853, kMagic2 = 0x46505845;  // FP_XSTATE_MAGIC1, 2
    auto* area = reinterpret_cast<uint8_t*>(context.uc_mcontext.fpregs);
    if (!area || read<uint32_t>(area + kSoftware) != kMagic1) return std::nullopt;
    const uint64_t features = read<uint64_t>(area + kSoftware + 8);
    const uint32_t size = read<uint32_t>(area + kSoftware + 16);
    if ((features & kHigh) == 0 || read<uint32_t>(area + size) != kMagic2) return std::nullopt;
    return SavedVectors(area);
  }

  std::array<uint8_t, 32> load(int number) const {
    std::array<uint8_t, 32> value;
    std::memcpy(value.data(), low_ + 16 * number, 16);
    std::memcpy(value.data() + 16, high_ + 16 * number, 16);
    return value;
  }
  /// Bits beyond the 256th stay: nothing that is compiled for AVX-VNNI reads them.
  void store(int number, const std::array<uint8_t, 32>& value) {
    std::memcpy(low_ + 16 * number, value.data(), 16);
    std::memcpy(high_ + 16 * number, value.data() + 16, 16);
  }

 private:
  static constexpr size_t kLow = 160, kSoftware = 464, kHeader = 512, kRegisters = 256;
  static constexpr uint64_t kSse = 2, kHigh = 4;  // bits of XSTATE_BV

  explicit SavedVectors(uint8_t* area) : low_(area + kLow), high_(area + high_offset) {
    // What is marked as never touched is 0, whatever stands there.
    auto present = read<uint64_t>(area + kHeader);
    if ((present & kSse) == 0) std::memset(low_, 0, kRegisters);
    if ((present & kHigh) == 0) std::memset(high_, 0, kRegisters);
    present |= kSse | kHigh;
    std::memcpy(area + kHeader, &present, sizeof(present));
  }

  template <class T>
  static T read(const uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof(value));
    return value;
  }
  uint8_t *low_, *high_;
};

int32_t sum_of(Operation operation, int32_t sum, const uint8_t* first, const uint8_t* second) {
  int64_t exact = sum;
  if (operation == Operation::bytes || operation == Operation::bytes_saturated) {
    for (int i = 0; i < 4; ++i) exact += first[i] * static_cast<int8_t>(second[i]);
  } else {
    for (int i = 0; i < 4; i += 2) {
      int16_t a, b;
      std::memcpy(&a, first + i, sizeof(a));
      std::memcpy(&b, second + i, sizeof(b));
      exact += int64_t{a} * b;
    }
  }
  const bool saturates = operation == Operation::bytes_saturated || operation == Operation::words_saturated;
  if (saturates) exact = std::clamp<int64_t>(exact, INT32_MIN, INT32_MAX);
  return static_cast<int32_t>(exact);
}

void execute(const Instruction& instruction, SavedVectors& vectors) {
  const size_t bytes = instruction.wide ? 32 : 16;
  std::array<uint8_t, 32> made{};
  if (instruction.operation == Operation::load) {
    std::memcpy(made.data(), instruction.memory, bytes);
  } else if (instruction.operation == Operation::broadcast) {
    for (size_t i = 0; i < bytes; i += 4) std::memcpy(made.data() + i, instruction.memory, 4);
  } else {
    const auto sums = vectors.load(instruction.to), first = vectors.load(instruction.first);
    auto second = vectors.load(instruction.second);
    if (instruction.memory) std::memcpy(second.data(), instruction.memory, bytes);
    for (size_t i = 0; i < bytes; i += 4) {
      int32_t sum;
      std::memcpy(&sum, sums.data() + i, sizeof(sum));
      sum = sum_of(instruction.operation, sum, first.data() + i, second.data() + i);
      std::memcpy(made.data() + i, &sum, sizeof(sum));
    }
  }
  vectors.store(instruction.to, made);
}

void handle(int, siginfo_t*, void* argument) {
  auto& context = *static_cast<ucontext_t*>(argument);
  greg_t* registers = context.uc_mcontext.gregs;
  auto instruction = decode(registers);
  auto vectors = SavedVectors::find(context);
  if (!instruction || !vectors) {
    std::signal(SIGILL, SIG_DFL);  // the same instruction again ends the program
    return;
  }
  for (; instruction; instruction = decode(registers)) {
    execute(*instruction, *vectors);
    registers[REG_RIP] += instruction->length;
  }
}

bool install() {
  if (cpu_has(Isa::avxvnni) || !cpu_has(Isa::avx2)) return false;
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGILL, &action, nullptr) != 0) return false;
  take_as_emulated(Isa::avxvnni);
  return true;
}

[[maybe_unused]] const bool emulated = install();

}  // namespace
}  // namespace halftone

#endif
