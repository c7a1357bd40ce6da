#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backend/cpu/packed_memory.h"
#include "backend/packed_later.h"
#include "base/thread_pool.h"

namespace halftone {
class Constant;
class QuantizedTensor;
}  // namespace halftone

namespace halftone::cpu {

/// Outputs of a panel: lanes of one vector, or of several on narrower processors.
inline constexpr int64_t kPanelRows = 16;
/// Columns of one lane: what a dot-product instruction sums.
inline constexpr int64_t kQuad = 4;
/// One vector of codes: kPanelRows lanes of 32 bits.
inline constexpr int64_t kUnitBytes = 64;

enum class ScaleType : int32_t { f32, f16, bf16 };
enum class ZeroKind : int32_t { shared, per_group, minimum };
/// How weights are best read from memory, which is a matter of the processor's own prefetchers
/// (docs/benchmarks/cpu.md).
enum class Reading : int32_t {
  ahead,        ///< a few panels side by side, what stands a little ahead is fetched
  next_panels,  ///< a few panels side by side, lines of those that come next are fetched
  in_order      ///< one panel at a time, line by line
};

/// Columns under one scale of B and one of A, padded so that they fill whole units; the activations in the
/// padding are 0.
struct IntSegment {
  int64_t begin, end;  ///< columns of A'
  int64_t packed;      ///< first column in the padded order
  int64_t a_group, b_group;
  int64_t units;  ///< vectors of codes
};

/// Integer weights [n, k] as the kernels read them, plain data for code of any instruction set.
///
/// A panel is 16 outputs: their scales [groups][16], then zero points u8 or minima [groups][16] where there
/// are any, then the codes. A unit of codes is 64 bytes: byte 4 * row + j holds column j of a quad of that
/// row in 8 bits, or the same column of 2 (4 bits) or 4 (2 bits) successive quads, the first in the lowest
/// bits.
struct IntPanelsView {
  int64_t n, k;
  int64_t panels;
  int64_t packed_k;  ///< columns, padding counted
  int64_t segment_count;
  const IntSegment* segments;
  const std::byte* data;
  int64_t panel_bytes;
  int64_t zeros_offset;  ///< of zero points or minima inside a panel; scales are at 0
  int64_t codes_offset;
  int32_t bits;       ///< as packed: 2, 4 or 8
  int32_t code_bits;  ///< of a code: 2 to 8
  int32_t zero;       ///< the code that means 0 under ZeroKind::shared
  ScaleType scale_type;
  ZeroKind zero_kind;
  Reading reading;  ///< by few rows
  /// Many rows: panels from those being read to what the thread most likely reads next, to be fetched
  /// meanwhile; 0: nothing is.
  int64_t ahead = 0;
};

/// Whether activations are quantized for both alike: the same segments of columns, the same sums.
bool quantizes_alike(const IntPanelsView& a, const IntPanelsView& b);

/// Packs and owns them. Codes of 3 bits take 4, and those of 5 to 7 take 8.
class IntPanels : public PackedLater {
 public:
  /// `weights` are encoded; their codes are made only where they are not packed already. `a_group`: columns
  /// of A that share a scale (k when one scale a token). `name` is for errors. `may_wait`: they are read by
  /// part() alone, so they may be packed later.
  IntPanels(const Constant& weights, const std::string& name, int64_t a_group, bool may_wait,
            ThreadPool& threads);
  IntPanels(const IntPanels&) = delete;
  IntPanels& operator=(const IntPanels&) = delete;

  /// Its data is null until they are packed.
  IntPanelsView view() const;
  bool are_packed() const { return packed_.load(std::memory_order_acquire) != nullptr; }
  /// A view of panels [begin, end) alone, under these numbers; where they are not packed yet, in `scratch`
  /// (64-byte aligned, of their size).
  IntPanelsView part(int64_t begin, int64_t end, std::byte* scratch) const;

  size_t bytes() const override { return static_cast<size_t>(view_.panels * view_.panel_bytes); }
  std::span<const std::byte> source() const override;
  std::shared_ptr<const std::byte> pack(ThreadPool& threads) override;

 private:
  void pack_panel(const QuantizedTensor& weights, int64_t panel, std::byte* to) const;
  /// `rows` rows from row `first` on: their codes to the panel's, their scales and zero points to its front.
  void pack_rows(const QuantizedTensor& weights, int64_t first, int64_t rows, std::byte* to) const;
  void pack_scales(const QuantizedTensor& weights, int64_t first, int64_t rows, std::byte* to) const;

  std::vector<IntSegment> segments_;
  IntPanelsView view_{};  ///< without data
  PackedMemory memory_;
  std::atomic<const std::byte*> packed_ = nullptr;
  std::atomic<std::shared_ptr<const QuantizedTensor>> source_;  ///< until they are packed
};

}  // namespace halftone::cpu
