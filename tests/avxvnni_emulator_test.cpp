// AVX-VNNI's instructions, by the processor or by avxvnni_emulator.cpp, against plain arithmetic.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/cpu.h"

namespace halftone {
namespace {

TEST(AvxVnni, IsThereWhereAvx2Is) {
  EXPECT_EQ(cpu_has(Isa::avxvnni), cpu_has(Isa::avx2));
}

#if defined(__x86_64__)

using Vector = std::array<uint8_t, 32>;

struct Operands {
  Vector sum, first, second;
};

/// Of one instruction: what it does, on how many bytes, to `sum`.
struct Case {
  std::string text;
  bool words, saturates;
  size_t bytes;
  bool aliased;  ///< all three operands are `sum`
  std::function<void(Operands&)> run;
};

alignas(32) uint8_t relative_to_code[32];

/// `setup` may use r12 and r13; `operand` is the third.
#define HALFTONE_CASE(name, is_words, is_saturated, vector, count, sum_at, first_at, setup, operand)  \
  Case {                                                                                              \
    name " " operand ", " vector #first_at ", " vector #sum_at, is_words, is_saturated, count, false, \
        [](Operands& o) {                                                                             \
          std::memcpy(relative_to_code, o.second.data(), 32);                                         \
          asm volatile("vmovdqu (%[sum]), %%ymm" #sum_at "\n vmovdqu (%[first]), %%ymm" #first_at     \
                       "\n vmovdqu (%[second]), %%ymm4\n vmovdqu (%[second]), %%ymm11\n" setup        \
                       "\n %{vex%} " name " " operand ", %%" vector #first_at ", %%" vector #sum_at   \
                       "\n vmovdqu %%ymm" #sum_at ", (%[sum])\n"                                      \
                       :                                                                              \
                       : [sum] "r"(o.sum.data()), [first] "r"(o.first.data()),                        \
                         [second] "r"(o.second.data()), [relative] "m"(relative_to_code)              \
                       : "memory", "r12", "r13", "xmm1", "xmm2", "xmm4", "xmm9", "xmm11", "xmm14");   \
        }                                                                                             \
  }

#define HALFTONE_ALIASED(name, is_words, is_saturated, vector, count, at)                              \
  Case {                                                                                               \
    name " thrice " vector #at, is_words, is_saturated, count, true, [](Operands& o) {                 \
      asm volatile("vmovdqu (%[sum]), %%ymm" #at "\n %{vex%} " name " %%" vector #at ", %%" vector #at \
                   ", %%" vector #at "\n vmovdqu %%ymm" #at ", (%[sum])\n"                             \
                   :                                                                                   \
                   : [sum] "r"(o.sum.data())                                                           \
                   : "memory", "xmm" #at);                                                             \
    }                                                                                                  \
  }

#define HALFTONE_FORMS(name, words, saturated, vector, count)                                                \
  HALFTONE_CASE(name, words, saturated, vector, count, 1, 2, "", "%%" vector "4"),                           \
      HALFTONE_CASE(name, words, saturated, vector, count, 9, 2, "", "%%" vector "4"),                       \
      HALFTONE_CASE(name, words, saturated, vector, count, 1, 14, "", "%%" vector "4"),                      \
      HALFTONE_CASE(name, words, saturated, vector, count, 9, 14, "", "%%" vector "11"),                     \
      HALFTONE_CASE(name, words, saturated, vector, count, 1, 2, "", "(%[second])"),                         \
      HALFTONE_CASE(name, words, saturated, vector, count, 9, 14, "", "%[relative]"),                        \
      HALFTONE_CASE(name, words, saturated, vector, count, 1, 14, "lea -24(%[second]), %%r12", "24(%%r12)"), \
      HALFTONE_CASE(name, words, saturated, vector, count, 9, 2, "lea 4096(%[second]), %%r13",               \
                    "-4096(%%r13)"),                                                                         \
      HALFTONE_CASE(name, words, saturated, vector, count, 1, 2, "mov %[second], %%r13", "(%%r13)"),         \
      HALFTONE_CASE(name, words, saturated, vector, count, 1, 2,                                             \
                    "lea -40(%[second]), %%r13\n mov $4, %%r12", "8(%%r13,%%r12,8)"),                        \
      HALFTONE_CASE(name, words, saturated, vector, count, 9, 14, "mov $-3, %%r13\n",                        \
                    "12(%[second],%%r13,4)"),                                                                \
      HALFTONE_ALIASED(name, words, saturated, vector, count, 2),                                            \
      HALFTONE_ALIASED(name, words, saturated, vector, count, 14)

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {HALFTONE_FORMS("vpdpbusd", false, false, "ymm", 32),
                                        HALFTONE_FORMS("vpdpbusd", false, false, "xmm", 16),
                                        HALFTONE_FORMS("vpdpbusds", false, true, "ymm", 32),
                                        HALFTONE_FORMS("vpdpbusds", false, true, "xmm", 16),
                                        HALFTONE_FORMS("vpdpwssd", true, false, "ymm", 32),
                                        HALFTONE_FORMS("vpdpwssd", true, false, "xmm", 16),
                                        HALFTONE_FORMS("vpdpwssds", true, true, "ymm", 32),
                                        HALFTONE_FORMS("vpdpwssds", true, true, "xmm", 16)};
  return all;
}

template <class T>
T at(const Vector& vector, size_t byte) {
  T value;
  std::memcpy(&value, vector.data() + byte, sizeof(value));
  return value;
}

Vector expected(const Case& c, const Operands& o) {
  const Vector& first = c.aliased ? o.sum : o.first;
  const Vector& second = c.aliased ? o.sum : o.second;
  Vector made{};
  for (size_t i = 0; i < c.bytes; i += 4) {
    int64_t sum = at<int32_t>(o.sum, i);
    for (size_t j = i; j < i + 4; j += c.words ? 2 : 1)
      sum += c.words ? int64_t{at<int16_t>(first, j)} * at<int16_t>(second, j)
                     : int64_t{at<uint8_t>(first, j)} * at<int8_t>(second, j);
    if (c.saturates) sum = std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX);
    const auto lane = static_cast<int32_t>(sum);
    std::memcpy(made.data() + i, &lane, sizeof(lane));
  }
  return made;
}

/// Bytes that are often at the ends of what is signed and unsigned.
Vector random_bytes(std::mt19937& random) {
  constexpr std::array<uint8_t, 6> kEnds = {0, 1, 127, 128, 129, 255};
  Vector bytes;
  for (uint8_t& byte : bytes)
    byte = static_cast<uint8_t>(random() % 2 == 0 ? random() : kEnds[random() % kEnds.size()]);
  return bytes;
}

/// Sums near both ends of 32 bits, near 0 and anywhere.
Vector random_sums(std::mt19937& random) {
  constexpr std::array<int32_t, 4> kEnds = {INT32_MIN, INT32_MAX, 0, -1};
  Vector sums;
  for (size_t i = 0; i < sums.size(); i += 4) {
    auto sum = static_cast<uint32_t>(random());
    if (const auto kind = random() % 6; kind < kEnds.size())
      sum = static_cast<uint32_t>(kEnds[kind]) + random() % 2001 - 1000;
    std::memcpy(sums.data() + i, &sum, sizeof(sum));
  }
  return sums;
}

TEST(AvxVnni, EveryInstructionAndFormOfOperands) {
  if (!cpu_has(Isa::avxvnni)) GTEST_SKIP() << "no AVX2";
  std::mt19937 random(1);
  for (const Case& c : cases())
    for (int round = 0; round < 50; ++round) {
      Operands o{random_sums(random), random_bytes(random), random_bytes(random)};
      const Vector wanted = expected(c, o);
      c.run(o);
      ASSERT_EQ(o.sum, wanted) << c.text;
    }
}

/// What stands between products in loops: the emulator computes that too.
TEST(AvxVnni, LoadsBetween) {
  if (!cpu_has(Isa::avxvnni)) GTEST_SKIP() << "no AVX2";
  std::mt19937 random(2);
  for (int round = 0; round < 50; ++round) {
    alignas(32) Operands o{random_sums(random), random_bytes(random), random_bytes(random)};
    Vector sum = o.sum, repeated;
    for (size_t i = 0; i < 32; ++i) repeated[i] = o.second[4 + i % 4];
    const Case plain{"", false, false, 32, false, {}};
    Vector wanted = expected(plain, {sum, o.first, o.second});
    wanted = expected(plain, {wanted, o.first, repeated});
    wanted = expected(plain, {wanted, o.second, o.first});
    Vector narrow{}, wanted_narrow{};
    std::copy_n(o.second.begin(), 16, wanted_narrow.begin());
    asm volatile(
        "vmovdqu (%[sum]), %%ymm9\n vmovdqu (%[first]), %%ymm2\n vmovdqu (%[second]), %%ymm3\n"
        "%{vex%} vpdpbusd %%ymm3, %%ymm2, %%ymm9\n"
        "vpbroadcastd 4(%[second]), %%ymm14\n"
        "%{vex%} vpdpbusd %%ymm14, %%ymm2, %%ymm9\n"
        "vmovdqa (%[second]), %%ymm12\n vmovdqu (%[first]), %%ymm3\n vmovdqa (%[second]), %%xmm5\n"
        "%{vex%} vpdpbusd %%ymm3, %%ymm12, %%ymm9\n"
        "vmovdqu %%ymm9, (%[sum])\n vmovdqu %%ymm5, (%[narrow])\n"
        :
        : [sum] "r"(sum.data()), [first] "r"(o.first.data()), [second] "r"(o.second.data()),
          [narrow] "r"(narrow.data())
        : "memory", "xmm2", "xmm3", "xmm5", "xmm9", "xmm12", "xmm14");
    ASSERT_EQ(sum, wanted);
    ASSERT_EQ(narrow, wanted_narrow);
  }
}

TEST(AvxVnni, SumsWrapOrSaturate) {
  if (!cpu_has(Isa::avxvnni)) GTEST_SKIP() << "no AVX2";
  for (const Case& c : cases()) {
    if (c.aliased) continue;
    for (int32_t start : {INT32_MAX, INT32_MIN}) {
      Operands o;
      for (size_t i = 0; i < 32; i += 4) std::memcpy(o.sum.data() + i, &start, sizeof(start));
      o.first.fill(0x7f);
      o.second.fill(start > 0 ? 0x7f : 0x80);
      const Vector wanted = expected(c, o);
      const bool stays = at<int32_t>(wanted, 0) == start;
      EXPECT_EQ(stays, c.saturates) << c.text;
      c.run(o);
      EXPECT_EQ(o.sum, wanted) << c.text;
    }
  }
}

TEST(AvxVnni, SeveralThreadsAtOnce) {
  if (!cpu_has(Isa::avxvnni)) GTEST_SKIP() << "no AVX2";
  std::vector<std::thread> threads;
  std::array<bool, 4> right{};
  for (unsigned t = 0; t < right.size(); ++t)
    threads.emplace_back([t, &right] {
      std::mt19937 random(t);
      const Case& c = *std::ranges::find_if(cases(), &Case::aliased);  // touches nothing that others do
      bool all = true;
      for (int round = 0; round < 500; ++round) {
        Operands o{random_sums(random), random_bytes(random), random_bytes(random)};
        const Vector wanted = expected(c, o);
        c.run(o);
        all = all && o.sum == wanted;
      }
      right[t] = all;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, (std::array<bool, 4>{true, true, true, true}));
}

#endif

}  // namespace
}  // namespace halftone
